-- command/limit_group
-- Until this transaction ends: no lock is waited for and no statement runs longer than so many
-- milliseconds, and the transaction ends after so many with its session, also where
-- its client is busy elsewhere (before Postgres 17: where the client is idle for as long).
-- params: lock_ms bigint, statement_ms bigint, transaction_ms bigint
-- rows: one     transaction: the caller's
SELECT set_config('lock_timeout', (%(lock_ms)s::bigint)::text, true),
       set_config('statement_timeout', (%(statement_ms)s::bigint)::text, true),
       set_config('idle_in_transaction_session_timeout', (%(transaction_ms)s::bigint)::text, true),
       CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
            THEN set_config('transaction_timeout', (%(transaction_ms)s::bigint)::text, true) END
