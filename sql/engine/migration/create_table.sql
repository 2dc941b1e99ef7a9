-- migration/create_table
-- Make the schema and the table of migrations where they are missing.
-- params: none
-- rows: none     transaction: the caller's, under the lock
DO $$
BEGIN
    IF to_regclass('outbox.migration') IS NULL THEN
        CREATE SCHEMA IF NOT EXISTS outbox;
        CREATE TABLE outbox.migration (
            -- `outbox-worker`, or the application by its name.
            owner text NOT NULL,
            number integer NOT NULL,
            name text NOT NULL,
            checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT migration_pkey PRIMARY KEY (owner, number)
        );
    END IF;
END $$
