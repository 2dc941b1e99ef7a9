-- bench/finish
-- One last event on a topic of its own: a reader of that topic alone sees when all
-- before it are published.
-- params: topic text, days int (how old it is)
-- rows: rowcount
INSERT INTO outbox.event (topic, key, type, payload, created_at)
VALUES (%(topic)s::text, 'last', 'bench.ended', convert_to('{}', 'UTF8'),
        clock_timestamp() - make_interval(days => %(days)s::int))
