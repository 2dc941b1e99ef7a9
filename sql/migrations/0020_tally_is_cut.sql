-- With an index, vacuum leaves a page of few dead rows for later, and the table as long as it was
-- before it was folded: each scrape would read all of it.
ALTER TABLE school.batch_tally SET (vacuum_index_cleanup = on);
