-- tally/list_tally
-- How many batches of each class type are active, are completed, and were ever purged.
-- Reads what upkeep has not folded yet, and no batch.
-- params: none
-- rows: many (always both class types)     transaction: any
SELECT class_type, coalesce(sum(active), 0)::bigint, coalesce(sum(completed), 0)::bigint,
       coalesce(sum(purged), 0)::bigint
FROM (VALUES ('GUEST'), ('REGULAR')) AS known (class_type)
LEFT JOIN school.batch_tally USING (class_type)
GROUP BY class_type
ORDER BY class_type
