"""Statements over classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection


class ClassRow(NamedTuple):
    """What of a class can change."""

    name: str
    course_code: str


class ClassView(NamedTuple):
    """A class as a reader sees it."""

    class_id: UUID
    user_id: str
    name: str
    course_code: str
    course_name: str
    course_language: str
    student_count: int
    created_at: datetime
    updated_at: datetime


class RosterRow(NamedTuple):
    """A student on the roster of a class."""

    student_id: UUID
    first_name: str
    last_name: str
    legal_full_name: str
    email: str | None
    enrolled_at: datetime


def insert_class(connection: Connection, class_id: UUID, owner: str, row: ClassRow) -> None:
    """A new class; the schema refuses a taken id and an unknown course."""
    statements.execute(
        connection,
        "school_class/insert_class",
        {"class_id": class_id, "owner": owner, **row._asdict()},
    )


def lock_class(connection: Connection, class_id: UUID, owner: str) -> ClassRow | None:
    """The owner's class, held against other changes."""
    parameters = {"class_id": class_id, "owner": owner}
    row = statements.execute(connection, "school_class/lock_class", parameters).fetchone()
    return None if row is None else ClassRow(*row)


def lock_class_to_delete(connection: Connection, class_id: UUID, owner: str) -> ClassRow | None:
    """The owner's class, held alone."""
    parameters = {"class_id": class_id, "owner": owner}
    row = statements.execute(connection, "school_class/lock_class_to_delete", parameters).fetchone()
    return None if row is None else ClassRow(*row)


def update_class(connection: Connection, class_id: UUID, row: ClassRow) -> None:
    """Change a class that is locked; the schema refuses an unknown course."""
    statements.execute(
        connection, "school_class/update_class", {"class_id": class_id, **row._asdict()}
    )


def delete_class(connection: Connection, class_id: UUID) -> bool:
    """Delete a class that is locked, with its enrolments; False while a batch of it is open."""
    parameters = {"class_id": class_id}
    return statements.execute(connection, "school_class/delete_class", parameters).rowcount > 0


def lock_owned_classes(connection: Connection, class_ids: Sequence[UUID], owner: str) -> list[UUID]:
    """Those of `class_ids` that are the owner's; none is deleted before the transaction ends."""
    parameters = {"class_ids": list(class_ids), "owner": owner}
    rows = statements.execute(connection, "school_class/lock_owned_classes", parameters).fetchall()
    return [row[0] for row in rows]


def lock_classes_of_student(connection: Connection, student_id: UUID) -> list[UUID]:
    """The classes of a student, sorted; none is deleted before the transaction ends."""
    parameters = {"student_id": student_id}
    rows = statements.execute(
        connection, "school_class/lock_classes_of_student", parameters
    ).fetchall()
    return [row[0] for row in rows]


def lock_classes_to_erase(connection: Connection, student_id: UUID) -> list[UUID]:
    """The classes of a student, sorted, held alone: no batch of them is registered meanwhile."""
    parameters = {"student_id": student_id}
    rows = statements.execute(
        connection, "school_class/lock_classes_to_erase", parameters
    ).fetchall()
    return [row[0] for row in rows]


def find_class(connection: Connection, class_id: UUID, owner: str) -> ClassView | None:
    """The owner's class."""
    parameters = {"class_id": class_id, "owner": owner}
    row = statements.execute(connection, "school_class/find_class", parameters).fetchone()
    return None if row is None else ClassView(*row)


def list_classes(
    connection: Connection, owner: str, after: tuple[datetime, UUID] | None, rows: int
) -> list[ClassView]:
    """Classes of the owner, newest first, after the place where the page before ended."""
    created_at, class_id = after or (None, None)
    parameters = {"owner": owner, "created_at": created_at, "class_id": class_id, "rows": rows}
    found = statements.execute(connection, "school_class/list_classes", parameters).fetchall()
    return [ClassView(*row) for row in found]


def list_roster(connection: Connection, class_id: UUID, owner: str) -> list[RosterRow]:
    """The students of the owner's class, by last name, first name, id."""
    parameters = {"class_id": class_id, "owner": owner}
    rows = statements.execute(connection, "school_class/list_roster", parameters).fetchall()
    return [RosterRow(*row) for row in rows]
