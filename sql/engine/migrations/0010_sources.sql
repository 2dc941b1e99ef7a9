-- The CloudEvents source of what a login writes. The owner of the schema fills it; where a login has no
-- row its events have that of the worker (OUTBOX_SOURCE).
-- roles: outbox_worker, outbox_reader

CREATE TABLE outbox.source (
    role regrole PRIMARY KEY,
    -- A part of every record: see event_fits_a_record.
    source text NOT NULL
        CONSTRAINT source_is_short CHECK (octet_length(source) BETWEEN 1 AND 500)
);
GRANT SELECT ON outbox.source TO outbox_worker, outbox_reader;
