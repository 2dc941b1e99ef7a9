-- switchover/catch_up
-- Set the sequences that are behind the numbers of their rows; the names of those that were,
-- what they had given out, and the number that they were set above.
-- params: none
-- rows: many     transaction: any, of the schema's owner
SELECT name, reached, highest FROM outbox.catch_up()
