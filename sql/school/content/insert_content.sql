-- content/insert_content
-- Remember that a text was offered, before it gets a slot: a second offer of it waits for
-- this transaction, and finds it then. No row where it was offered before.
-- params: batch_id uuid, text_storage_id text, file_upload_id text, original_file_name text,
--         file_size_bytes bigint, content_md5 text, raw_file_storage_id text, correlation_id uuid
-- rows: rowcount (0: known)     index: content_pkey     transaction: the caller's
INSERT INTO school.content (batch_id, text_storage_id, status, file_upload_id, original_file_name,
                            file_size_bytes, content_md5, raw_file_storage_id, correlation_id)
VALUES (%(batch_id)s::uuid, %(text_storage_id)s::text, 'pending', %(file_upload_id)s::text,
        %(original_file_name)s::text, %(file_size_bytes)s::bigint, %(content_md5)s::text,
        %(raw_file_storage_id)s::text, %(correlation_id)s::uuid)
ON CONFLICT ON CONSTRAINT content_pkey DO NOTHING
