-- What teachers keep: classes, students, enrolments. Tables are in the schema
-- `school`; what other languages read are the views of the schema `domain`.
-- roles: outbox_domain
CREATE SCHEMA school;
CREATE SCHEMA domain;

-- Reference data, never edited at run time. The level is the digit of the code.
CREATE TABLE school.course (
    code text CONSTRAINT course_pkey PRIMARY KEY,
    name text NOT NULL,
    language text NOT NULL CONSTRAINT course_language_is_known CHECK (language IN ('en', 'sv'))
);
INSERT INTO school.course (code, name, language) VALUES
    ('ENG5', 'English 5', 'en'), ('ENG6', 'English 6', 'en'), ('ENG7', 'English 7', 'en'),
    ('SV1', 'Svenska 1', 'sv'), ('SV2', 'Svenska 2', 'sv'), ('SV3', 'Svenska 3', 'sv');

CREATE TABLE school.class (
    class_id uuid CONSTRAINT class_pkey PRIMARY KEY,
    owner text NOT NULL,
    name text NOT NULL
        CONSTRAINT class_name_is_short CHECK (char_length(name) BETWEEN 1 AND 100)
        CONSTRAINT class_name_is_trimmed CHECK (name = btrim(name)),
    course_code text NOT NULL
        CONSTRAINT class_course_is_known REFERENCES school.course (code),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX class_owner_idx ON school.class (owner, created_at DESC, class_id DESC);

CREATE TABLE school.student (
    student_id uuid CONSTRAINT student_pkey PRIMARY KEY,
    owner text NOT NULL,
    first_name text NOT NULL
        CONSTRAINT student_first_name_is_short CHECK (char_length(first_name) BETWEEN 1 AND 255),
    last_name text NOT NULL
        CONSTRAINT student_last_name_is_short CHECK (char_length(last_name) BETWEEN 1 AND 255),
    -- "first last" may be as long as both with a blank between them.
    legal_full_name text NOT NULL
        CONSTRAINT student_legal_name_is_short CHECK (char_length(legal_full_name) BETWEEN 1 AND 511),
    email text CONSTRAINT student_email_is_short CHECK (char_length(email) BETWEEN 3 AND 320),
    -- The address in small letters, as its writer makes it: what lower() makes of Å
    -- differs from database to database.
    email_key text
        CONSTRAINT student_email_has_its_key CHECK ((email_key IS NULL) = (email IS NULL)),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT student_email_is_unique_per_owner UNIQUE (owner, email_key)
);
CREATE INDEX student_owner_idx ON school.student (owner, created_at DESC, student_id DESC);

-- Exists once for a class and a student; goes with either.
CREATE TABLE school.enrolment (
    class_id uuid NOT NULL
        CONSTRAINT enrolment_class_exists REFERENCES school.class ON DELETE CASCADE,
    student_id uuid NOT NULL
        CONSTRAINT enrolment_student_exists REFERENCES school.student ON DELETE CASCADE,
    enrolled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT enrolment_pkey PRIMARY KEY (class_id, student_id)
);
CREATE INDEX enrolment_student_idx ON school.enrolment (student_id, class_id);

CREATE VIEW domain.class AS
SELECT class.class_id, class.owner AS user_id, class.name, class.course_code,
       course.name AS course_name, course.language AS course_language,
       (SELECT count(*) FROM school.enrolment WHERE enrolment.class_id = class.class_id)
           AS student_count,
       class.created_at, class.updated_at
FROM school.class JOIN school.course ON course.code = class.course_code;

CREATE VIEW domain.student AS
SELECT student_id, owner AS user_id, first_name, last_name, legal_full_name, email,
       ARRAY(SELECT class_id FROM school.enrolment
             WHERE enrolment.student_id = student.student_id ORDER BY class_id) AS class_ids,
       created_at, updated_at
FROM school.student;

CREATE VIEW domain.roster AS
SELECT class_id, class.owner AS user_id, student_id, student.first_name, student.last_name,
       student.legal_full_name, student.email, enrolment.enrolled_at
FROM school.enrolment JOIN school.class USING (class_id) JOIN school.student USING (student_id);

-- A Python service that calls `outbox_school.handle` in its own transactions needs this role
-- and no other; the worker, which calls it for everybody else, has it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'outbox_domain') THEN
        CREATE ROLE outbox_domain NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
GRANT outbox_writer TO outbox_domain;
GRANT outbox_domain TO outbox_worker;
GRANT USAGE ON SCHEMA school TO outbox_domain;
GRANT SELECT ON ALL TABLES IN SCHEMA school TO outbox_domain;
GRANT INSERT, UPDATE, DELETE ON school.class, school.student, school.enrolment TO outbox_domain;
GRANT USAGE ON SCHEMA domain TO outbox_reader, outbox_domain;
GRANT SELECT ON ALL TABLES IN SCHEMA domain TO outbox_reader, outbox_domain;
