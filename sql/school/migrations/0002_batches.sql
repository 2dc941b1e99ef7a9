-- Batches of essays: slots that texts are put into, what came early, what failed,
-- who wrote what. Completion is marked; the retention job deletes later.

CREATE TABLE school.batch (
    batch_id uuid CONSTRAINT batch_pkey PRIMARY KEY,
    owner text NOT NULL,
    course_code text NOT NULL
        CONSTRAINT batch_course_is_known REFERENCES school.course (code),
    class_type text NOT NULL
        CONSTRAINT batch_class_type_is_known CHECK (class_type IN ('GUEST', 'REGULAR')),
    -- No foreign key: a completed batch outlives its class.
    class_id uuid
        CONSTRAINT batch_is_regular_with_a_class
        CHECK ((class_type = 'REGULAR') = (class_id IS NOT NULL)),
    org_id text,
    student_prompt_ref text,
    expected_count integer NOT NULL
        CONSTRAINT batch_holds_1_to_1000_essays CHECK (expected_count BETWEEN 1 AND 1000),
    correlation_id uuid NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the last slot was taken, and when nothing remained to be done.
    provisioned_at timestamptz,
    completed_at timestamptz
        CONSTRAINT batch_completes_after_its_content
        CHECK (completed_at IS NULL OR provisioned_at IS NOT NULL)
);
CREATE INDEX batch_owner_idx ON school.batch (owner, registered_at DESC, batch_id DESC);
CREATE INDEX batch_open_class_idx ON school.batch (class_id)
    WHERE class_id IS NOT NULL AND completed_at IS NULL;
CREATE INDEX batch_completed_idx ON school.batch (class_type, completed_at)
    WHERE completed_at IS NOT NULL;

-- One row for a batch: who may have taken its last slot locks it to find out. Nobody locks
-- it for anything else, as the row of the batch is by those who decide about associations.
CREATE TABLE school.batch_gate (
    batch_id uuid CONSTRAINT batch_gate_pkey PRIMARY KEY
        CONSTRAINT batch_gate_batch_exists REFERENCES school.batch ON DELETE CASCADE
);

CREATE TABLE school.slot (
    batch_id uuid NOT NULL CONSTRAINT slot_batch_exists REFERENCES school.batch,
    position integer NOT NULL,
    essay_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'free'
        CONSTRAINT slot_status_is_known CHECK (status IN ('free', 'assigned', 'failed')),
    text_storage_id text
        CONSTRAINT slot_is_assigned_with_a_text
        CHECK ((status = 'assigned') = (text_storage_id IS NOT NULL)),
    file_upload_id text
        CONSTRAINT slot_is_taken_by_an_upload
        CHECK ((status = 'free') = (file_upload_id IS NULL)),
    taken_at timestamptz,
    CONSTRAINT slot_pkey PRIMARY KEY (batch_id, position),
    CONSTRAINT slot_essay_is_in_the_batch_once UNIQUE (batch_id, essay_id)
) WITH (fillfactor = 60);
CREATE INDEX slot_free_idx ON school.slot (batch_id, position) WHERE status = 'free';
CREATE UNIQUE INDEX slot_holds_a_text_once
    ON school.slot (batch_id, text_storage_id) WHERE text_storage_id IS NOT NULL;
CREATE UNIQUE INDEX slot_fails_once_for_an_upload
    ON school.slot (batch_id, file_upload_id) WHERE status = 'failed';

-- Early content and early failures are replayed in one order of arrival.
CREATE SEQUENCE school.arrival_seq AS bigint CACHE 1;

-- Every text that was ever offered to a batch, and what became of it.
CREATE TABLE school.content (
    batch_id uuid NOT NULL,
    text_storage_id text NOT NULL
        CONSTRAINT content_text_id_is_short CHECK (char_length(text_storage_id) BETWEEN 1 AND 255),
    status text NOT NULL
        CONSTRAINT content_status_is_known CHECK (status IN ('pending', 'assigned', 'excess')),
    essay_id uuid
        CONSTRAINT content_is_assigned_to_an_essay
        CHECK ((status = 'assigned') = (essay_id IS NOT NULL)),
    file_upload_id text NOT NULL,
    original_file_name text NOT NULL,
    file_size_bytes bigint NOT NULL,
    content_md5 text,
    raw_file_storage_id text,
    correlation_id uuid NOT NULL,
    arrival bigint NOT NULL DEFAULT nextval('school.arrival_seq'),
    arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- One row for a batch and a text: a second one waits for the first, then finds it.
    CONSTRAINT content_pkey PRIMARY KEY (batch_id, text_storage_id)
) WITH (fillfactor = 80);
CREATE INDEX content_pending_idx ON school.content (batch_id, arrival) WHERE status = 'pending';
CREATE INDEX content_waiting_idx ON school.content (arrived_at) WHERE status = 'pending';

-- Every file that failed its validation, and whether it used up a slot.
CREATE TABLE school.failure (
    batch_id uuid NOT NULL,
    file_upload_id text NOT NULL
        CONSTRAINT failure_upload_id_is_short CHECK (char_length(file_upload_id) BETWEEN 1 AND 255),
    status text NOT NULL
        CONSTRAINT failure_status_is_known CHECK (status IN ('pending', 'failed', 'excess')),
    essay_id uuid
        CONSTRAINT failure_uses_up_an_essay CHECK ((status = 'failed') = (essay_id IS NOT NULL)),
    original_file_name text NOT NULL,
    code text NOT NULL CONSTRAINT failure_code_is_known CHECK (code IN (
        'EMPTY_CONTENT', 'CONTENT_TOO_SHORT', 'CONTENT_TOO_LONG', 'RAW_STORAGE_FAILED',
        'TEXT_EXTRACTION_FAILED', 'ENCRYPTED_FILE_UNSUPPORTED', 'UNKNOWN_VALIDATION_ERROR')),
    detail text,
    raw_file_storage_id text,
    file_size_bytes bigint,
    correlation_id uuid NOT NULL,
    arrival bigint NOT NULL DEFAULT nextval('school.arrival_seq'),
    arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT failure_pkey PRIMARY KEY (batch_id, file_upload_id)
) WITH (fillfactor = 80);
CREATE INDEX failure_pending_idx ON school.failure (batch_id, arrival) WHERE status = 'pending';
CREATE INDEX failure_waiting_idx ON school.failure (arrived_at) WHERE status = 'pending';

-- Who wrote an essay of a REGULAR batch: suggested once, then decided once, by the
-- teacher or, when that takes too long, for the teacher. Student and name are kept as they were.
CREATE TABLE school.association (
    batch_id uuid NOT NULL CONSTRAINT association_batch_exists REFERENCES school.batch,
    essay_id uuid NOT NULL,
    status text NOT NULL
        CONSTRAINT association_status_is_known
        CHECK (status IN ('suggested', 'no_match', 'confirmed', 'no_student')),
    suggested_student_id uuid
        CONSTRAINT association_suggests_a_student
        CHECK ((suggested_student_id IS NULL) = (confidence_score IS NULL)),
    confidence_score double precision
        CONSTRAINT association_score_is_0_to_1 CHECK (confidence_score BETWEEN 0 AND 1),
    match_reasons jsonb,
    no_match_reason text,
    suggested_at timestamptz,
    student_id uuid
        CONSTRAINT association_is_confirmed_with_a_student
        CHECK ((status = 'confirmed') = (student_id IS NOT NULL)),
    student_name text,
    method text
        CONSTRAINT association_method_is_known CHECK (method IN ('human', 'timeout'))
        CONSTRAINT association_is_decided_by_a_method
        CHECK ((status IN ('confirmed', 'no_student')) = (method IS NOT NULL)),
    validated_by text,
    validated_at timestamptz,
    CONSTRAINT association_pkey PRIMARY KEY (batch_id, essay_id)
);
CREATE INDEX association_undecided_idx ON school.association (suggested_at, batch_id)
    WHERE method IS NULL;

-- How many batches there are, as differences that sum up to it: registration,
-- completion and purge each insert one, so that none waits for another; upkeep
-- folds them. Counting a million batches at every scrape would take too long.
CREATE TABLE school.batch_tally (
    -- A published table takes no DELETE without a primary key, and upkeep folds the tally by it.
    -- A random id and no sequence: one more that a replica would have to be told of.
    entry uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT batch_tally_pkey PRIMARY KEY,
    class_type text NOT NULL,
    active integer NOT NULL,
    completed integer NOT NULL,
    -- Ever purged; the counter must outlive the process that purges.
    purged bigint NOT NULL DEFAULT 0
) WITH (
    -- Upkeep deletes and inserts all the time; each scrape reads the whole table.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    -- With an index, vacuum leaves a page of few dead rows for later, and the table as long as it
    -- was before it was folded.
    vacuum_index_cleanup = on
);

CREATE VIEW domain.batch AS
SELECT batch_id, owner AS user_id, course_code, class_type, class_id, org_id, student_prompt_ref,
       expected_count,
       (SELECT count(*) FROM school.slot
        WHERE slot.batch_id = batch.batch_id AND status = 'assigned') AS assigned_count,
       (SELECT count(*) FROM school.slot
        WHERE slot.batch_id = batch.batch_id AND status = 'failed') AS failed_count,
       CASE WHEN completed_at IS NOT NULL THEN 'completed'
            WHEN provisioned_at IS NOT NULL THEN 'awaiting_associations'
            ELSE 'awaiting_content' END AS status,
       correlation_id, registered_at, provisioned_at, completed_at
FROM school.batch;

CREATE VIEW domain.slot AS
SELECT slot.batch_id, batch.owner AS user_id, slot.position, slot.essay_id, slot.status,
       slot.text_storage_id, slot.file_upload_id,
       coalesce(content.original_file_name, failure.original_file_name) AS original_file_name,
       failure.code AS validation_error_code,
       association.status AS association_status, association.student_id,
       association.student_name, association.method, slot.taken_at
FROM school.slot
JOIN school.batch USING (batch_id)
LEFT JOIN school.content USING (batch_id, text_storage_id)
LEFT JOIN school.failure
    ON failure.batch_id = slot.batch_id AND failure.file_upload_id = slot.file_upload_id
   AND slot.status = 'failed'
LEFT JOIN school.association
    ON association.batch_id = slot.batch_id AND association.essay_id = slot.essay_id;

GRANT SELECT, INSERT, UPDATE ON school.batch, school.batch_gate, school.slot, school.content,
    school.failure, school.association TO outbox_domain;
GRANT SELECT, INSERT ON school.batch_tally TO outbox_domain;
GRANT USAGE ON SEQUENCE school.arrival_seq TO outbox_domain;
GRANT DELETE ON school.batch, school.slot, school.content, school.failure, school.association,
    school.batch_tally TO outbox_worker;
GRANT SELECT ON domain.batch, domain.slot TO outbox_reader, outbox_domain;

-- After a switch-over (outbox.application_sequence): texts and failed files that wait for their
-- batch are ordered by arrival.
CREATE FUNCTION school.highest_arrival() RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT greatest((SELECT max(arrival) FROM school.content WHERE status = 'pending'),
                    (SELECT max(arrival) FROM school.failure WHERE status = 'pending'), 0)
$$;

CREATE FUNCTION school.renumber_arrivals(reached bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    late record;
BEGIN
    -- Both tables in one order.
    FOR late IN
        WITH waiting AS (
            SELECT c.batch_id, c.text_storage_id AS text_id, NULL AS upload_id,
                   c.arrival, c.arrived_at
            FROM school.content AS c WHERE c.status = 'pending'
            UNION ALL
            SELECT f.batch_id, NULL, f.file_upload_id, f.arrival, f.arrived_at
            FROM school.failure AS f WHERE f.status = 'pending'
        )
        SELECT w.batch_id, w.text_id, w.upload_id FROM waiting AS w
        WHERE w.arrival <= reached AND w.arrived_at > (
            SELECT max(o.arrived_at) FROM waiting AS o WHERE o.arrival > reached)
        ORDER BY w.arrival LOOP
        UPDATE school.content AS c SET arrival = DEFAULT
        WHERE c.status = 'pending' AND c.batch_id = late.batch_id
          AND c.text_storage_id = late.text_id;
        UPDATE school.failure AS f SET arrival = DEFAULT
        WHERE f.status = 'pending' AND f.batch_id = late.batch_id
          AND f.file_upload_id = late.upload_id;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION school.highest_arrival, school.renumber_arrivals FROM PUBLIC;
INSERT INTO outbox.application_sequence (sequence, highest, renumber)
VALUES ('school.arrival_seq', 'school.highest_arrival', 'school.renumber_arrivals');
