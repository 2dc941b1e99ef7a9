-- retry/list_commands
-- Commands that were set aside, and queued ones that failed or wait for a retry: in the order of their
-- numbers, with the last cause. Of each condition NULL is none. Reads every queued command.
-- params: ids uuid[], state text (set_aside, waiting), type text, key text, since timestamptz,
--         most bigint
-- rows: many     transaction: any
WITH found AS (
    SELECT command_id, 'set_aside' AS state, type, key, seq, attempt AS failures, at,
           NULL::timestamptz AS retry_at, error_type, last.error, place
    FROM outbox.command_history AS last JOIN outbox.command USING (command_id)
    WHERE what = 'set_aside' AND status = 'rejected'
      AND NOT EXISTS (SELECT FROM outbox.command_history AS later
                      WHERE later.command_id = last.command_id AND later.at > last.at)
    UNION ALL
    SELECT command_id, 'waiting', type, key, seq, failures, coalesce(last.at, submitted_at),
           retry_at, error_type, last.error, place
    FROM outbox.command LEFT JOIN LATERAL (
        SELECT entry.at, entry.error_type, entry.error, entry.place
        FROM outbox.command_history AS entry
        WHERE entry.command_id = command.command_id AND entry.what <> 'retried'
        ORDER BY entry.at DESC LIMIT 1
    ) AS last ON true
    WHERE status = 'queued' AND (failures > 0 OR retry_at > clock_timestamp())
)
SELECT command_id, state, type, key, failures, at, retry_at, error_type, error, place
FROM found
WHERE (%(ids)s::uuid[] IS NULL OR command_id = ANY (%(ids)s::uuid[]))
  AND (%(state)s::text IS NULL OR state = %(state)s::text)
  AND (%(type)s::text IS NULL OR type = %(type)s::text)
  AND (%(key)s::text IS NULL OR key = %(key)s::text)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
ORDER BY seq LIMIT %(most)s::bigint
