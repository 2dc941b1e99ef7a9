-- JSON is JSON whatever the encoding of the database: bytes with letters that it does not have
-- were called application/octet-stream.

CREATE OR REPLACE FUNCTION outbox.name_content() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.content_type := 'application/json';
    IF NEW.payload IS NULL THEN
        RETURN NEW;
    END IF;
    -- Blank, quotation mark, minus, digits, [, f, n, t, {.
    IF pg_catalog.length(NEW.payload) = 0 OR pg_catalog.get_byte(NEW.payload, 0) NOT IN (
        9, 10, 13, 32, 34, 45, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 91, 102, 110, 116, 123) THEN
        NEW.content_type := 'application/octet-stream';
        RETURN NEW;
    END IF;
    BEGIN
        PERFORM pg_catalog.convert_from(NEW.payload, 'UTF8')::pg_catalog.json;
    EXCEPTION
        WHEN untranslatable_character THEN
            -- It is UTF-8, which is looked at first. Whether it is JSON shows with an x for each
            -- byte beyond ASCII. "escape" doubles a backslash, and writes such bytes as one with
            -- three digits; U+0001 stands for the pair meanwhile, and is in no JSON.
            -- With E'' a writer's standard_conforming_strings does not matter.
            BEGIN
                PERFORM pg_catalog.replace(pg_catalog.regexp_replace(
                    pg_catalog.replace(pg_catalog.replace(
                        pg_catalog.encode(NEW.payload, 'escape'), E'\x01', E'\x02'),
                        E'\\\\', E'\x01'),
                    E'\\\\[0-7]{3}', 'x', 'g'), E'\x01', E'\\')::pg_catalog.json;
            EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
                NEW.content_type := 'application/octet-stream';
            END;
        WHEN data_exception OR program_limit_exceeded THEN
            NEW.content_type := 'application/octet-stream';
    END;
    RETURN NEW;
END $$;
