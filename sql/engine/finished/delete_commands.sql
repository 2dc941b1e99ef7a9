-- finished/delete_commands
-- Delete some commands that finished before `before`, oldest first, with their history. One that is
-- not decided has no time of finishing, and stays whatever its age.
-- params: after timestamptz (where the last call ended), before timestamptz, rows bigint
-- rows: one (how many, where it ended)     index: command_finished_idx     transaction: its own
WITH gone AS (
    DELETE FROM outbox.command WHERE command_id = ANY(ARRAY(
        SELECT command_id FROM outbox.command
        WHERE finished_at >= %(after)s::timestamptz AND finished_at < %(before)s::timestamptz
        ORDER BY finished_at
        LIMIT %(rows)s::bigint
        FOR UPDATE SKIP LOCKED))
    RETURNING command_id, finished_at
), forgotten AS (
    DELETE FROM outbox.command_history WHERE command_id = ANY(ARRAY(SELECT command_id FROM gone))
)
SELECT count(*), max(finished_at) FROM gone
