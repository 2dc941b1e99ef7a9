-- purge removes nothing while a position rests on writes that the ledger of dead letters has lost.
-- roles: outbox_purge

GRANT SELECT ON outbox.dead_letter_shard TO outbox_purge;
