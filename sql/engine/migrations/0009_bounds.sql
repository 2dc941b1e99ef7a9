-- Bounds that the owner of the schema may raise (docs/operations.md, Bounds). Rows from before have
-- no writer and are left alone: `rebase` updates them.

-- One constraint for the record as a whole: each costs every statement that writes a row 7 us.
-- A topic takes 1,048,588 bytes by default (max.message.bytes). 61 of them frame the batch, and 975
-- are left for the worker's own headers, of which OUTBOX_SOURCE and the content type have no
-- fixed length. The key goes out twice, also as `ce_subject`. Headers are longer as text than in
-- the record. concat() takes NULL for nothing, and is planned faster than a sum.
ALTER TABLE outbox.event
    DROP CONSTRAINT event_type_is_not_empty,
    -- Four become two, which pays for the new one.
    DROP CONSTRAINT event_headers_have_names,
    DROP CONSTRAINT event_headers_are_an_object,
    ADD CONSTRAINT event_headers_are_an_object
    CHECK (headers IS NULL OR jsonb_typeof(headers) IN ('object', 'null') AND NOT headers ? '')
    NOT VALID,
    DROP CONSTRAINT event_headers_are_at_most_64_kb,
    DROP CONSTRAINT event_headers_are_at_most_32_deep,
    ADD CONSTRAINT event_headers_are_bounded
    CHECK (octet_length(headers::text) <= 65536 AND NOT headers @? 'strict $.**{32}') NOT VALID,
    ADD CONSTRAINT event_type_is_short
    CHECK (type <> '' AND (writer IS NULL OR octet_length(type) <= 255)) NOT VALID,
    ADD CONSTRAINT event_fits_a_record
    CHECK (writer IS NULL
           OR coalesce(octet_length(payload), 0) + octet_length(concat(key, key, type, headers))
              <= 1047552) NOT VALID;
