"""Statements over students."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection


class Person(NamedTuple):
    """What of a student can change, enrolments apart."""

    first_name: str
    last_name: str
    legal_full_name: str
    email: str | None


class StudentView(NamedTuple):
    """A student as a reader sees it."""

    student_id: UUID
    user_id: str
    first_name: str
    last_name: str
    legal_full_name: str
    email: str | None
    class_ids: list[UUID]
    created_at: datetime
    updated_at: datetime


def insert_student(connection: Connection, student_id: UUID, owner: str, person: Person) -> None:
    """A new student; the schema refuses a taken id and a taken e-mail address."""
    statements.execute(
        connection,
        "student/insert_student",
        {"student_id": student_id, "owner": owner, **_columns(person)},
    )


def lock_student(connection: Connection, student_id: UUID, owner: str) -> Person | None:
    """The owner's student, held against other changes."""
    parameters = {"student_id": student_id, "owner": owner}
    row = statements.execute(connection, "student/lock_student", parameters).fetchone()
    return None if row is None else Person(*row)


def update_student(connection: Connection, student_id: UUID, person: Person) -> None:
    """Change a student that is locked; the schema refuses a taken e-mail address."""
    statements.execute(
        connection, "student/update_student", {"student_id": student_id, **_columns(person)}
    )


def delete_student(connection: Connection, student_id: UUID) -> None:
    """Delete a student that is locked, with its enrolments."""
    statements.execute(connection, "student/delete_student", {"student_id": student_id})


def find_student(connection: Connection, student_id: UUID, owner: str) -> StudentView | None:
    """The owner's student."""
    parameters = {"student_id": student_id, "owner": owner}
    row = statements.execute(connection, "student/find_student", parameters).fetchone()
    return None if row is None else StudentView(*row)


def list_students(
    connection: Connection, owner: str, after: tuple[datetime, UUID] | None, rows: int
) -> list[StudentView]:
    """Students of the owner, newest first, after the place where the page before ended."""
    created_at, student_id = after or (None, None)
    parameters = {"owner": owner, "created_at": created_at, "student_id": student_id, "rows": rows}
    found = statements.execute(connection, "student/list_students", parameters).fetchall()
    return [StudentView(*row) for row in found]


def _columns(person: Person) -> dict[str, str | None]:
    """The columns that a person fills; addresses that differ in case only have one key."""
    return {**person._asdict(), "email_key": person.email and person.email.lower()}
