-- scan/copy_found
-- Take in what a scan finds, while it runs: nothing is gathered in the program.
-- params: none (COPY: event_id, topic, partition, record_offset)
-- rows: none     transaction: the caller's, after scan/create_found
COPY pg_temp.found (event_id, topic, partition, record_offset) FROM STDIN
