-- The parts of a worker's rights (0013 of the engine) in the tables of the school.
-- roles: outbox_worker, outbox_commands, outbox_purge, outbox_domain

DO $$
BEGIN
    IF NOT pg_has_role('outbox_commands', 'outbox_domain', 'usage') THEN
        GRANT outbox_domain TO outbox_commands;
    END IF;
EXCEPTION WHEN unique_violation THEN
    NULL;
END $$;

-- The job that folds the counts of batches runs where commands are executed.
GRANT DELETE ON school.batch_tally TO outbox_commands;

-- Retention: completed batches, and what arrived before one that never came.
GRANT USAGE ON SCHEMA school TO outbox_purge;
GRANT SELECT, DELETE ON school.batch, school.slot, school.content, school.failure,
    school.association TO outbox_purge;
-- To lock rows takes the right to update some column.
GRANT UPDATE (completed_at) ON school.batch TO outbox_purge;
GRANT INSERT ON school.batch_tally TO outbox_purge;

REVOKE DELETE ON school.batch, school.slot, school.content, school.failure, school.association,
    school.batch_tally FROM outbox_worker;
