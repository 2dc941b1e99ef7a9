-- failure/insert_failure
-- Remember that a file failed, before it uses up a slot: a second report of it waits for
-- this transaction, and finds it then. No row where it was reported before.
-- params: batch_id uuid, file_upload_id text, original_file_name text, code text, detail text,
--         raw_file_storage_id text, file_size_bytes bigint, correlation_id uuid
-- rows: rowcount (0: known)     index: failure_pkey     transaction: the caller's
INSERT INTO school.failure (batch_id, file_upload_id, status, original_file_name, code, detail,
                            raw_file_storage_id, file_size_bytes, correlation_id)
VALUES (%(batch_id)s::uuid, %(file_upload_id)s::text, 'pending', %(original_file_name)s::text,
        %(code)s::text, %(detail)s::text, %(raw_file_storage_id)s::text,
        %(file_size_bytes)s::bigint, %(correlation_id)s::uuid)
ON CONFLICT ON CONSTRAINT failure_pkey DO NOTHING
