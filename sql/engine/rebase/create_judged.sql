-- rebase/create_judged
-- A temporary table for what was found out about each event.
-- params: none
-- rows: none     transaction: the caller's
CREATE TEMPORARY TABLE judged (
    id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    shard smallint NOT NULL,
    why text NOT NULL,
    is_doubtful boolean NOT NULL
) ON COMMIT DROP
