"""Many batches at once, by `generate_series`: as many as a purge of a whole year meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

# Every tenth batch is REGULAR; of twenty one GUEST and one REGULAR batch are open. Each has a slot
# that a failed file used up and one text too many. All but the last tenth is old.
BATCHES: Final = """
    INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, expected_count,
                              correlation_id, registered_at, provisioned_at, completed_at)
    SELECT md5('batch ' || b)::uuid, 'teacher ' || b %% 100, 'ENG5',
           CASE WHEN b %% 10 = 0 THEN 'REGULAR' ELSE 'GUEST' END,
           CASE WHEN b %% 10 = 0 THEN md5('class ' || b)::uuid END,
           %(slots)s, md5('batch ' || b)::uuid, '2020-01-01', done, done
    FROM generate_series(1, %(batches)s) AS b,
    LATERAL (SELECT CASE WHEN b %% 20 NOT IN (9, 10) THEN
                        now() - CASE WHEN b > %(batches)s * 0.9 THEN '1 hour'::interval
                                     ELSE '40 days'::interval - b * '1 second'::interval END
                    END AS done) AS each"""
GATES: Final = "INSERT INTO school.batch_gate (batch_id) SELECT batch_id FROM school.batch"
SLOTS: Final = """
    INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id,
                             file_upload_id, taken_at)
    SELECT batch_id, n, md5(batch_id::text || n)::uuid,
           CASE WHEN n = 1 THEN 'failed' ELSE 'assigned' END,
           CASE WHEN n > 1 THEN 'text ' || n || ' of ' || batch_id END,
           'file ' || n || ' of ' || batch_id, registered_at
    FROM school.batch, generate_series(1, expected_count) AS n"""
CONTENT: Final = """
    INSERT INTO school.content (batch_id, text_storage_id, status, essay_id, file_upload_id,
                                original_file_name, file_size_bytes, correlation_id, arrived_at)
    SELECT batch_id, 'text ' || n || ' of ' || batch_id,
           CASE WHEN n > expected_count THEN 'excess' ELSE 'assigned' END,
           CASE WHEN n <= expected_count THEN md5(batch_id::text || n)::uuid END,
           'file ' || n || ' of ' || batch_id, 'essay ' || n || '.docx', 12345, batch_id,
           registered_at
    FROM school.batch, generate_series(2, expected_count + 1) AS n"""
FAILURES: Final = """
    INSERT INTO school.failure (batch_id, file_upload_id, status, essay_id, original_file_name,
                                code, correlation_id)
    SELECT batch_id, 'file 1 of ' || batch_id, 'failed', md5(batch_id::text || 1)::uuid,
           'essay 1.docx', 'EMPTY_CONTENT', batch_id
    FROM school.batch"""
ASSOCIATIONS: Final = """
    INSERT INTO school.association (batch_id, essay_id, status, method, validated_at)
    SELECT batch_id, essay_id, 'no_student', 'timeout', completed_at
    FROM school.slot JOIN school.batch USING (batch_id)
    WHERE class_type = 'REGULAR' AND slot.status = 'assigned' AND completed_at IS NOT NULL"""
TALLY: Final = """
    INSERT INTO school.batch_tally (class_type, active, completed)
    SELECT class_type, count(*) - count(completed_at), count(completed_at)
    FROM school.batch GROUP BY class_type"""
EARLY_CONTENT: Final = """
    INSERT INTO school.content (batch_id, text_storage_id, status, file_upload_id,
                                original_file_name, file_size_bytes, correlation_id, arrived_at)
    SELECT md5('never ' || b / 5)::uuid, 'text ' || b, 'pending', 'file ' || b, 'essay.docx', 1,
           md5('never')::uuid, now() - CASE WHEN b %% 10 = 0 THEN '1 hour' ELSE '40 days' END
                                       ::interval + b * '1 millisecond'::interval
    FROM generate_series(1, %(early)s) AS b"""
EARLY_FAILURES: Final = """
    INSERT INTO school.failure (batch_id, file_upload_id, status, original_file_name, code,
                                correlation_id, arrived_at)
    SELECT md5('never ' || b / 5)::uuid, 'file ' || b, 'pending', 'essay.docx', 'EMPTY_CONTENT',
           md5('never')::uuid, now() - '40 days'::interval + b * '1 millisecond'::interval
    FROM generate_series(1, %(early)s) AS b"""
COMMANDS: Final = """
    INSERT INTO outbox.command (command_id, type, key, actor, payload, status, result,
                                submitted_at, finished_at)
    SELECT md5('command ' || b)::uuid, 'CreateStudent', 'key ' || b, 'teacher', '{"name": "x"}',
           'succeeded', '{"student_id": "x"}', '2020-01-01',
           now() - CASE WHEN b %% 10 = 0 THEN '1 hour' ELSE '40 days' END::interval
           + b * '1 millisecond'::interval
    FROM generate_series(1, %(commands)s) AS b"""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is there; a tenth of it is young, and a twentieth of the batches is open."""

    batches: int
    slots: int = 20
    early: int = 0
    commands: int = 0

    def write(self, link: Connection) -> None:
        """Put it into an empty database."""
        given = {
            "batches": self.batches,
            "slots": self.slots,
            "early": self.early,
            "commands": self.commands,
        }
        for statement in (BATCHES, GATES, SLOTS, CONTENT, FAILURES, ASSOCIATIONS, TALLY):
            link.execute(statement, given if "%(" in statement else None)
        for statement in (EARLY_CONTENT, EARLY_FAILURES, COMMANDS):
            link.execute(statement, given)
