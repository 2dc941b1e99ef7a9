-- bench/write_one: a script of pgbench, one event in one transaction.
\set n random(0, 9999)
INSERT INTO outbox.event (topic, key, type, payload)
VALUES (:topic, 'customer-' || :n, 'order.placed',
        convert_to(rpad('{"order": ' || :n || ', "note": "', 428, 'leave it with the neighbours ')
                   || '"}', 'UTF8'));
