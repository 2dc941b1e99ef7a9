-- retry/count_later
-- Of each of these commands that has later ones of its key: how many of those are finished, and how many,
-- finished or queued, have its type, actor and payload. Reads the table.
-- params: ids uuid[]
-- rows: many     transaction: any
SELECT aside.command_id, count(*) FILTER (WHERE later.finished_at IS NOT NULL),
       count(*) FILTER (WHERE later.type = aside.type AND later.actor = aside.actor
                              AND later.payload = aside.payload)
FROM outbox.command AS aside
JOIN outbox.command AS later ON later.key = aside.key AND later.seq > aside.seq
WHERE aside.command_id = ANY (%(ids)s::uuid[])
GROUP BY aside.command_id
