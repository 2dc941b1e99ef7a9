-- scan/create_found
-- A temporary table for what a scan of the topics finds; it goes with the transaction.
-- params: none
-- rows: none     transaction: the caller's
CREATE TEMPORARY TABLE found (
    event_id uuid NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL
) ON COMMIT DROP
