-- bench/fill
-- Events of 430 bytes over 10,000 keys, committed with the caller's transaction.
-- Only a superuser may set created_at: a benchmark makes yesterday's events today.
-- params: topic text, first int, last int (both inclusive), days int (how old they are)
-- rows: rowcount
INSERT INTO outbox.event (topic, key, type, payload, created_at)
SELECT %(topic)s::text,
       'customer-' || (n * 7919::bigint) %% 10000,
       'order.placed',
       convert_to(rpad(format(
           '{"order": %%s, "customer": %%s, "token": "%%s", "lines": [{"sku": "%%s", "quantity": %%s, '
           '"price": %%s}, {"sku": "%%s", "quantity": %%s, "price": %%s}], "note": "',
           n, (n * 7919::bigint) %% 10000, md5(n::text), left(md5((n + 1)::text), 12), n %% 9,
           n %% 9973, left(md5((n + 2)::text), 12), n %% 7, n %% 8191),
           428, 'leave it with the neighbours ') || '"}', 'UTF8'),
       clock_timestamp() - make_interval(days => %(days)s::int)
FROM generate_series(%(first)s::int, %(last)s::int) AS n
