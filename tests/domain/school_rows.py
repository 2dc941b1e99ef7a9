"""What a command left behind: rows, events, and the answers that tests expect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from outbox_school.results import ErrorCode
from outbox_worker.application import Refused

if TYPE_CHECKING:
    from psycopg import Connection as Postgres
    from pydantic import JsonValue

    from outbox_school.results import Result

    Connection = Postgres[Any]

ANNA: Final = "anna"
BO: Final = "bo"

READ_EVENTS: Final = "SELECT topic, key, type, payload, headers FROM outbox.event ORDER BY id"
READ_CLASSES: Final = "SELECT class_id, owner, name, course_code FROM school.class"
READ_STUDENTS: Final = (
    "SELECT student_id, owner, first_name, last_name, legal_full_name, email FROM school.student"
)
READ_ENROLMENTS: Final = "SELECT class_id, student_id FROM school.enrolment"


class WrittenEvent(NamedTuple):
    """An event of the outbox; `payload` is what a subscriber would read."""

    topic: str
    key: str
    type: str
    payload: dict[str, JsonValue]
    headers: dict[str, str]


class SchoolRows(NamedTuple):
    """All rows of classes, students and enrolments."""

    classes: frozenset[tuple[Any, ...]]
    students: frozenset[tuple[Any, ...]]
    enrolments: frozenset[tuple[Any, ...]]


def events(connection: Connection) -> list[WrittenEvent]:
    """Every event written so far, in order."""
    return [
        WrittenEvent(topic, key, kind, json.loads(payload), headers)
        for topic, key, kind, payload, headers in connection.execute(READ_EVENTS)
    ]


def school_rows(connection: Connection) -> SchoolRows:
    """What is in the tables now."""
    return SchoolRows(
        frozenset(connection.execute(READ_CLASSES)),
        frozenset(connection.execute(READ_STUDENTS)),
        frozenset(connection.execute(READ_ENROLMENTS)),
    )


def number(n: int) -> UUID:
    """An id that is easy to tell from others in a failure."""
    return UUID(int=n)


def refused(code: ErrorCode, message: str, **details: JsonValue) -> Refused:
    """The refusal that a command should get."""
    return Refused(code=code, message=message, details=details)


def not_found(name: str, value: UUID) -> Refused:
    """The refusal for an owner of nothing, whatever others have."""
    return refused(
        ErrorCode.NOT_FOUND, f"You have no such {name.removesuffix('_id')}", **{name: str(value)}
    )


def taken(name: str) -> Refused:
    """The refusal of an id that is in use."""
    fault = "is taken; leave it out or draw a new one"
    return refused(
        ErrorCode.VALIDATION_ERROR,
        f"{name}: {fault}",
        errors=[{"path": name, "message": fault}],
    )


def succeeds(result: Result) -> None:
    """Fail where a command that has to succeed was refused."""
    assert not isinstance(result, Refused), result
