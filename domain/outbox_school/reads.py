"""What can be read: each function one statement, only what is the owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from outbox_school.stores import batch, school_class, slot, student

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from outbox_school.stores.batch import BatchView
    from outbox_school.stores.school_class import ClassView, RosterRow
    from outbox_school.stores.slot import SlotView
    from outbox_school.stores.student import StudentView
    from outbox_worker.application import Connection

MOST_ROWS: Final = 100
USUAL_ROWS: Final = 20

Item = TypeVar("Item")


class PageEnd(NamedTuple):
    """Where a page ended: give it as `after` to get the next one."""

    created_at: datetime
    id: UUID


class Page(NamedTuple, Generic[Item]):
    """Some rows, newest first; `next` is None on the last page."""

    items: list[Item]
    next: PageEnd | None


def get_class(connection: Connection, owner: str, class_id: UUID) -> ClassView | None:
    """A class, None where the owner has no such class."""
    return school_class.find_class(connection, class_id, owner)


def list_classes(
    connection: Connection, owner: str, *, after: PageEnd | None = None, limit: int = USUAL_ROWS
) -> Page[ClassView]:
    """Classes of an owner, newest first; `limit` is 1 to 100, else `ValueError`."""
    rows = school_class.list_classes(connection, owner, after, _checked(limit) + 1)
    places = [PageEnd(row.created_at, row.class_id) for row in rows[:limit]]
    return Page(rows[:limit], places[-1] if len(rows) > limit else None)


def get_roster(connection: Connection, owner: str, class_id: UUID) -> list[RosterRow]:
    """The students of a class by last name, first name, id; none where there is no such class."""
    return school_class.list_roster(connection, class_id, owner)


def get_student(connection: Connection, owner: str, student_id: UUID) -> StudentView | None:
    """A student with its classes, None where the owner has no such student."""
    return student.find_student(connection, student_id, owner)


def list_students(
    connection: Connection, owner: str, *, after: PageEnd | None = None, limit: int = USUAL_ROWS
) -> Page[StudentView]:
    """Students of an owner, newest first; `limit` is 1 to 100, else `ValueError`."""
    rows = student.list_students(connection, owner, after, _checked(limit) + 1)
    places = [PageEnd(row.created_at, row.student_id) for row in rows[:limit]]
    return Page(rows[:limit], places[-1] if len(rows) > limit else None)


def get_batch(connection: Connection, owner: str, batch_id: UUID) -> BatchView | None:
    """How far a batch is, None where the owner has no such batch."""
    return batch.find_batch(connection, batch_id, owner)


def list_batches(
    connection: Connection, owner: str, *, after: PageEnd | None = None, limit: int = USUAL_ROWS
) -> Page[BatchView]:
    """Batches of an owner, newest first; `limit` is 1 to 100, else `ValueError`."""
    rows = batch.list_batches(connection, owner, after, _checked(limit) + 1)
    places = [PageEnd(row.registered_at, row.batch_id) for row in rows[:limit]]
    return Page(rows[:limit], places[-1] if len(rows) > limit else None)


def get_slots(connection: Connection, owner: str, batch_id: UUID) -> list[SlotView]:
    """The slots of a batch in their order, with what is in them; none without such a batch."""
    return slot.list_slots(connection, batch_id, owner)


def _checked(limit: int) -> int:
    if not 1 <= limit <= MOST_ROWS:
        message = f"limit is 1 to {MOST_ROWS}, not {limit}"
        raise ValueError(message)
    return limit
