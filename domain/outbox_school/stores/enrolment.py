"""Statements over enrolments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_worker.application import Connection


def insert_enrolments(
    connection: Connection, student_id: UUID, class_ids: Sequence[UUID]
) -> list[UUID]:
    """Enrol a student; returns the classes it was not in yet, sorted."""
    parameters = {"student_id": student_id, "class_ids": list(class_ids)}
    rows = statements.execute(connection, "enrolment/insert_enrolments", parameters).fetchall()
    return sorted(row[0] for row in rows)


def delete_enrolments(
    connection: Connection, student_id: UUID, class_ids: Sequence[UUID]
) -> list[UUID]:
    """Take a student out of classes; returns those it was in, sorted."""
    parameters = {"student_id": student_id, "class_ids": list(class_ids)}
    rows = statements.execute(connection, "enrolment/delete_enrolments", parameters).fetchall()
    return sorted(row[0] for row in rows)
