-- school_class/lock_owned_classes
-- Those of these classes that are the owner's; none of them is deleted before the
-- transaction ends.
-- params: class_ids uuid[], owner text
-- rows: many     index: class_pkey     transaction: the caller's
SELECT class_id FROM school.class
WHERE class_id = ANY(%(class_ids)s::uuid[]) AND owner = %(owner)s::text
ORDER BY class_id
FOR KEY SHARE
