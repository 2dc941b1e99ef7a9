"""A class, its students and a batch of their essays, for tests of who wrote what.

The batch is put where the test wants it by plain SQL: how slots fill is not asked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.overdue import Decided, decide_overdue
from outbox_school.readiness import ready_if_decided
from outbox_worker.application import Context, Refused, append

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outbox_school.results import ErrorCode, Result
    from outbox_worker.application import Connection

NOON: Final = datetime(2030, 5, 17, 12, tzinfo=UTC)
DAY: Final = timedelta(hours=24)
TEACHER: Final = "teacher"
CONFIRMED: Final = "class.student.associations.confirmed.v1"
READY: Final = "els.batch.essays.ready.v1"
COMPLETION: Final = [CONFIRMED, READY]
WAIT_S: Final = 60.0

INSERT_BATCH: Final = """
INSERT INTO school.batch (batch_id, owner, course_code, class_type, class_id, student_prompt_ref,
                          expected_count, correlation_id, provisioned_at)
VALUES (%s, %s, 'SV2', %s, %s, 'prompt-7', %s, %s, %s)"""
INSERT_SLOT: Final = """
INSERT INTO school.slot (batch_id, position, essay_id, status, text_storage_id, file_upload_id)
VALUES (%(batch)s, %(position)s, %(essay)s, %(status)s,
        CASE WHEN %(status)s = 'assigned' THEN 'text-' || %(essay)s END,
        CASE WHEN %(status)s <> 'free' THEN 'upload-' || %(essay)s END)"""


@dataclass(frozen=True)
class Room:
    """A class of the teacher, and the ids of its students."""

    class_id: UUID
    students: list[UUID]


@dataclass(frozen=True)
class Batch:
    """A batch of the class: the essays that have a text, and those that have none."""

    room: Room
    essays: list[UUID]
    textless: list[UUID] = field(default_factory=list)
    batch_id: UUID = field(default_factory=uuid4)
    correlation_id: UUID = field(default_factory=uuid4)


def make_room(connection: Connection, students: int = 3) -> Room:
    """A class whose students are called Ada 0, Ada 1 and so on."""
    made = commands.CreateClass(actor=TEACHER, name="9B", course_codes=["SV2"])
    succeeds(handle(connection, made))
    room = Room(made.command_id, [])
    for number in range(students):
        room.students.append(enrol(connection, room, f"{number}"))
    return room


def enrol(connection: Connection, room: Room, last_name: str) -> UUID:
    """A new student of the class; its id."""
    student = commands.CreateStudent(
        actor=TEACHER, first_name="Ada", last_name=last_name, class_ids=[room.class_id]
    )
    succeeds(handle(connection, student))
    return student.command_id


def make_batch(
    connection: Connection,
    room: Room,
    slots: Sequence[str] = ("assigned", "assigned"),
    *,
    provisioned: bool = True,
) -> Batch:
    """A batch with these slots; `provisioned` says whether its content is complete."""
    ids = [(uuid4(), status) for status in slots]
    batch = Batch(
        room,
        [essay for essay, status in ids if status == "assigned"],
        [essay for essay, status in ids if status != "assigned"],
    )
    row = (batch.batch_id, TEACHER, "REGULAR", room.class_id, len(ids), batch.correlation_id)
    connection.execute(INSERT_BATCH, (*row, NOON if provisioned else None))
    for position, (essay, status) in enumerate(ids, 1):
        slot = {"batch": batch.batch_id, "position": position, "essay": essay, "status": status}
        connection.execute(INSERT_SLOT, slot)
    return batch


def make_guest_batch(connection: Connection) -> UUID:
    """A batch without a class; its id."""
    batch_id = uuid4()
    row = (batch_id, TEACHER, "GUEST", None, 1, uuid4(), None)
    connection.execute(INSERT_BATCH, row)
    return batch_id


def succeeds(result: Result) -> None:
    """See that the command was carried out."""
    assert not isinstance(result, Refused), result


def refused(result: Result, code: ErrorCode, **details: object) -> None:
    """See that the command was refused with this error."""
    assert isinstance(result, Refused), result
    assert (result.code, result.details) == (code, details)


def found(essay: UUID, *suggestions: tuple[UUID, float], **more: str) -> dict[str, Any]:
    """A match as a service says it."""
    said = [
        {"student_id": student, "confidence_score": score, "match_reasons": [f"because {score}"]}
        for student, score in suggestions
    ]
    return {"essay_id": essay, "suggestions": said, **more}


def suggest(
    connection: Connection, batch: Batch, *matches: dict[str, Any], now: datetime = NOON
) -> Result:
    """Have a matching service suggest."""
    command = commands.SuggestAssociations.model_validate(
        {
            "actor": "matcher",
            "batch_id": batch.batch_id,
            "class_id": batch.room.class_id,
            "matches": matches,
        }
    )
    return handle(connection, command, now=now)


def confirm(
    connection: Connection,
    batch_id: UUID,
    authors: Mapping[UUID, UUID | None],
    *,
    actor: str = TEACHER,
    now: datetime = NOON,
) -> Result:
    """Have the teacher say who wrote what."""
    decisions = [
        {"essay_id": essay, "confirmed": True, **({"student_id": author} if author else {})}
        for essay, author in authors.items()
    ]
    command = commands.ConfirmAssociations.model_validate(
        {"actor": actor, "batch_id": batch_id, "associations": decisions}
    )
    return handle(connection, command, now=now)


def provision(connection: Connection, batch: Batch, now: datetime = NOON) -> bool:
    """Have the content of the batch completed, as its last text would do it."""
    with connection.transaction():
        connection.execute(
            "UPDATE school.batch SET provisioned_at = %s WHERE batch_id = %s",
            (now, batch.batch_id),
        )
        context = Context(connection, "uploads", uuid4(), now)
        ready = ready_if_decided(context, batch.batch_id)
        append(connection, context.events, "huleedu.")
    return ready


def rows(connection: Connection, batch_id: UUID) -> dict[UUID, tuple[Any, ...]]:
    """By essay: status, student, name, method, who decided, when."""
    cursor = connection.execute(
        "SELECT essay_id, status, student_id, student_name, method, validated_by, validated_at "
        "FROM school.association WHERE batch_id = %s",
        (batch_id,),
    )
    return {row[0]: row[1:] for row in cursor}


def events_of_batch(connection: Connection, batch_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    """Type and payload of the batch's events, in order."""
    cursor = connection.execute(
        "SELECT type, payload, topic, headers FROM outbox.event WHERE key = %s ORDER BY id",
        (str(batch_id),),
    )
    events = []
    for kind, payload, topic, headers in cursor:
        body = json.loads(payload)
        assert topic == f"huleedu.{kind}"
        assert headers == {"correlation-id": body["correlation_id"]}
        events.append((kind, body))
    return events


def completed_at(connection: Connection, batch_id: UUID) -> datetime | None:
    row = connection.execute(
        "SELECT completed_at FROM school.batch WHERE batch_id = %s", (batch_id,)
    ).fetchone()
    assert row is not None
    at: datetime | None = row[0]
    return at


def completions(connection: Connection, batch_id: UUID) -> list[tuple[str, int, int]]:
    """What the statement that completed the batch added to the numbers of batches."""
    return connection.execute(
        "SELECT tally.class_type, active, completed FROM school.batch_tally AS tally "
        "JOIN school.batch ON batch.xmin = tally.xmin WHERE batch_id = %s",
        (batch_id,),
    ).fetchall()


def decide(connection: Connection, rows: int = 7) -> Decided | None:
    """Decide some of what was suggested at noon, a day later."""
    return decide_overdue(connection, timeout=DAY, min_score=0.7, now=NOON + DAY, rows=rows)


def decide_all(connection: Connection) -> Decided:
    """What one worker decides until nothing is left."""
    total = Decided(0, 0, 0)
    while (decided := decide(connection)) is not None:
        total += decided
    return total


def suggested_batch(connection: Connection, room: Room, count: int, now: datetime = NOON) -> Batch:
    """A batch of which the first student is suggested for every essay."""
    batch = make_batch(connection, room, ["assigned"] * count)
    matches = [found(essay, (room.students[0], 0.9)) for essay in batch.essays]
    succeeds(suggest(connection, batch, *matches, now=now))
    return batch


def kinds(connection: Connection, batch: Batch) -> list[str]:
    """The types of the batch's events, in order."""
    return [kind for kind, _ in events_of_batch(connection, batch.batch_id)]
