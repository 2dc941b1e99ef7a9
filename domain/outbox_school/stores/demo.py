"""Statements of the demonstration: what a reader sees through the views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_worker.application import Connection


class Pupil(NamedTuple):
    """A row of the roster."""

    student_id: UUID
    last_name: str
    first_name: str
    email: str | None


class Slot(NamedTuple):
    """A row of the slots of a batch."""

    position: int
    essay_id: UUID
    status: str
    original_file_name: str | None
    validation_error_code: str | None
    association_status: str | None
    student_name: str | None


def list_roster(connection: Connection, class_id: UUID) -> list[Pupil]:
    """The students of the class, by name."""
    parameters = {"class_id": class_id}
    rows = statements.execute(connection, "demo/list_roster", parameters).fetchall()
    return [Pupil(*row) for row in rows]


def list_slots(connection: Connection, batch_id: UUID) -> list[Slot]:
    """The slots of the batch, in their order."""
    parameters = {"batch_id": batch_id}
    rows = statements.execute(connection, "demo/list_slots", parameters).fetchall()
    return [Slot(*row) for row in rows]
