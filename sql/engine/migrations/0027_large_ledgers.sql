-- Redrives of a large ledger: each chunk begins where the last one ended, and finds at once whether
-- an earlier event of a key was refused. The highest request that refused one is looked up at each claim.

CREATE INDEX dead_letter_event_parked_idx ON outbox.dead_letter_event (shard, id)
    WHERE state = 'parked';
CREATE INDEX dead_letter_event_refused_idx
    ON outbox.dead_letter_event (shard, topic, key, refused_in)
    WHERE refused_in IS NOT NULL AND state IN ('parked', 'redriving');
-- Of an expression: one of the column itself the planner would take for the look above, and read it whole.
CREATE INDEX dead_letter_event_refused_in_idx ON outbox.dead_letter_event ((refused_in + 0))
    WHERE refused_in IS NOT NULL;
