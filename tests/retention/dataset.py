"""Batches, early rows and commands of chosen ages, written by SQL, and what is left of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from outbox_school import retention
from outbox_school.stores.retention import Parts
from outbox_worker.purge.finished import Purged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.stores import Connection

NO_PARTS: Final = Parts(0, 0, 0, 0)
SPACE: Final = uuid.UUID(int=5)
TABLES: Final = ("batch", "slot", "content", "failure", "association", "command")
COUNT_ROWS: Final = """
    SELECT (SELECT count(*) FROM school.batch), (SELECT count(*) FROM school.slot),
           (SELECT count(*) FROM school.content), (SELECT count(*) FROM school.failure),
           (SELECT count(*) FROM school.association), (SELECT count(*) FROM outbox.command)"""
TRUNCATE: Final = (
    "TRUNCATE school.batch, school.batch_gate, school.slot, school.content, school.failure, "
    "school.association, school.batch_tally, outbox.command"
)
INSERT_BATCH: Final = """
    INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, expected_count,
                              correlation_id, registered_at, provisioned_at, completed_at)
    VALUES (%(id)s, 'teacher', 'ENG5', %(class_type)s,
            CASE WHEN %(class_type)s = 'REGULAR' THEN %(id)s END, %(slots)s, %(id)s,
            '2020-01-01', %(completed_at)s, %(completed_at)s)"""
INSERT_GATE: Final = "INSERT INTO school.batch_gate (batch_id) VALUES (%(id)s)"
INSERT_SLOTS: Final = """
    INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id, file_upload_id)
    SELECT %(id)s, n, gen_random_uuid(), 'assigned', 'text ' || n, 'file ' || n
    FROM generate_series(1, %(slots)s) AS n"""
INSERT_ASSOCIATIONS: Final = """
    INSERT INTO school.association (batch_id, essay_id, status, method)
    SELECT batch_id, essay_id, 'no_student', 'human' FROM school.slot WHERE batch_id = %(id)s"""
INSERT_CONTENT: Final = """
    INSERT INTO school.content (batch_id, text_storage_id, status, essay_id, file_upload_id,
                                original_file_name, file_size_bytes, correlation_id, arrived_at)
    SELECT %(id)s, %(status)s || n, %(status)s,
           CASE WHEN %(status)s = 'assigned' THEN gen_random_uuid() END,
           'file ' || n, 'name', 1, %(id)s, %(arrived_at)s
    FROM generate_series(1, %(rows)s) AS n"""
INSERT_FAILURES: Final = """
    INSERT INTO school.failure (batch_id, file_upload_id, status, original_file_name, code,
                                correlation_id, arrived_at)
    SELECT %(id)s, %(status)s || n, %(status)s, 'name', 'EMPTY_CONTENT', %(id)s, %(arrived_at)s
    FROM generate_series(1, %(rows)s) AS n"""
INSERT_COMMAND: Final = """
    INSERT INTO outbox.command (type, key, actor, payload, status, result, submitted_at,
                                finished_at)
    VALUES ('T', 'k', 'a', '{}', %(status)s,
            CASE WHEN %(status)s = 'succeeded' THEN '{}'::jsonb END,
            '2020-01-01', %(finished_at)s)"""
INSERT_TALLY: Final = (
    "INSERT INTO school.batch_tally (class_type, active, completed) VALUES (%s, %s, %s)"
)
COUNT_BATCHES: Final = """
    SELECT count(*) FILTER (WHERE completed_at IS NULL), count(completed_at)
    FROM school.batch WHERE class_type = %s"""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch; `age` is days since completion, None where it is open."""

    class_type: str
    age: float | None
    slots: int = 2
    excess: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Early:
    """Texts and failed files that wait for `age` days, for the `of`-th batch or for none."""

    age: float
    content: int
    failures: int
    of: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """All that is there; commands by days since they finished, None where they are queued."""

    batches: Sequence[Batch] = ()
    early: Sequence[Early] = ()
    commands: Sequence[float | None] = ()

    def write(self, link: Connection, now: datetime) -> None:
        """Put it into empty tables."""
        link.execute(TRUNCATE)
        with link.transaction():
            for number, batch in enumerate(self.batches):
                write_batch(link, batch_id(number), batch, now)
            for number, early in enumerate(self.early):
                write_early(link, self._batch_of(number, early), early, now)
            for age in self.commands:
                finished_at = None if age is None else now - timedelta(days=age)
                status = "queued" if age is None else "succeeded"
                link.execute(INSERT_COMMAND, {"status": status, "finished_at": finished_at})

    def expected_after_purge(self, days: int, class_types: Sequence[str]) -> tuple[Purged, Dataset]:
        """What purge must remove, and what it must leave."""
        gone = {
            number
            for number, batch in enumerate(self.batches)
            if batch.age is not None and batch.age > days and batch.class_type in class_types
        }
        lost = [each for each in self.early if each.of is None and each.age > days]
        parts = [self._parts(number) for number in gone]
        totals = map(sum, zip(NO_PARTS, *parts, strict=True))
        purged = Purged(
            {
                f"{name} batches": sum(self.batches[number].class_type == name for number in gone)
                for name in class_types
            }
            | dict(zip(retention.PARTS, totals, strict=True))
            | {
                "early texts": sum(each.content for each in lost),
                "early failed files": sum(each.failures for each in lost),
                "finished commands": sum(age is not None and age > days for age in self.commands),
            }
        )
        kept = [number for number in range(len(self.batches)) if number not in gone]
        # Those of a batch that stays, under its new number.
        stay = [each for each in self.early if each not in lost and each.of not in gone]
        left = Dataset(
            [self.batches[number] for number in kept],
            [each if each.of is None else replace(each, of=kept.index(each.of)) for each in stay],
            [age for age in self.commands if age is None or age <= days],
        )
        return purged, left

    def sizes(self) -> dict[str, int]:
        """How many rows each table holds of it."""
        parts: list[Parts] = [self._parts(number) for number in range(len(self.batches))]
        unborn: list[Early] = [each for each in self.early if each.of is None]
        return {
            "batch": len(self.batches),
            "slot": sum(each.slots for each in parts),
            "content": sum(each.content for each in parts) + sum(each.content for each in unborn),
            "failure": sum(each.failures for each in parts) + sum(each.failures for each in unborn),
            "association": sum(each.associations for each in parts),
            "command": len(self.commands),
        }

    def _parts(self, number: int) -> Parts:
        batch = self.batches[number]
        waiting = [each for each in self.early if each.of == number]
        return Parts(
            batch.slots,
            batch.slots + batch.excess + sum(each.content for each in waiting),
            batch.failures + sum(each.failures for each in waiting),
            batch.slots if batch.class_type == "REGULAR" else 0,
        )

    def _batch_of(self, number: int, early: Early) -> uuid.UUID:
        return uuid.uuid5(SPACE, f"never {number}") if early.of is None else batch_id(early.of)


def batch_id(number: int) -> uuid.UUID:
    return uuid.uuid5(SPACE, f"batch {number}")


def write_batch(link: Connection, found: uuid.UUID, batch: Batch, now: datetime) -> None:
    """A batch and its rows, and its part of the tally."""
    completed_at = None if batch.age is None else now - timedelta(days=batch.age)
    given = {
        "id": found,
        "class_type": batch.class_type,
        "slots": batch.slots,
        "completed_at": completed_at,
        "arrived_at": now - timedelta(days=99),
    }
    link.execute(INSERT_BATCH, given)
    link.execute(INSERT_GATE, given)
    link.execute(INSERT_SLOTS, given)
    link.execute(INSERT_CONTENT, {**given, "status": "assigned", "rows": batch.slots})
    link.execute(INSERT_CONTENT, {**given, "status": "excess", "rows": batch.excess})
    link.execute(INSERT_FAILURES, {**given, "status": "excess", "rows": batch.failures})
    if batch.class_type == "REGULAR":
        link.execute(INSERT_ASSOCIATIONS, given)
    link.execute(INSERT_TALLY, (batch.class_type, 1, 0))
    if completed_at is not None:
        link.execute(INSERT_TALLY, (batch.class_type, -1, 1))


def write_early(link: Connection, found: uuid.UUID, early: Early, now: datetime) -> None:
    """Rows that wait; names of their own keep those of one batch apart."""
    given = {"id": found, "status": "pending", "arrived_at": now - timedelta(days=early.age)}
    link.execute(INSERT_CONTENT, {**given, "rows": early.content})
    link.execute(INSERT_FAILURES, {**given, "rows": early.failures})


def sizes(link: Connection) -> dict[str, int]:
    """How many rows each table holds."""
    row = link.execute(COUNT_ROWS).fetchone()
    assert row is not None
    return dict(zip(TABLES, row, strict=True))


def number(link: Connection, statement: bytes) -> int:
    row = link.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def counted(link: Connection, class_type: str) -> tuple[int, int]:
    """Active and completed batches of a class type, counted one by one."""
    row = link.execute(COUNT_BATCHES, (class_type,)).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


class RecordedProgress:
    """Hears of the progress, and keeps what it heard."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.rows = 0

    def begin(self, what: str, total: int) -> None:
        self.totals[what] = total

    def advance(self, rows: int) -> None:
        self.rows += rows
