-- The bound of a payload by its text: by its size in the row, a compressed one that is copied
-- from another table may be of any length. Asked for what is queued: what was stored before
-- stays and can be finished.
ALTER TABLE outbox.command
    DROP CONSTRAINT command_payload_is_at_most_4_mb,
    ADD CONSTRAINT command_payload_is_at_most_4_mb
        CHECK (status <> 'queued' OR octet_length(payload::text) <= 4194304) NOT VALID;
