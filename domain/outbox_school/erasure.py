"""Erasure of a student: what names it goes from the tables, and subscribers learn of it.

What erasure does not reach by itself (events of before, finished commands, topics, copies of
subscribers) stands in SECURITY.md, with what removes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_school.events import StudentCreated, StudentDeleted, StudentErased, StudentUpdated
from outbox_school.results import StudentResult
from outbox_school.slots import checked
from outbox_school.stores import association, school_class, student
from outbox_school.students import not_found

if TYPE_CHECKING:
    from outbox_school.commands import EraseStudent
    from outbox_worker.application import Context, Event

KEYED_BY_STUDENT: Final[tuple[type[Event], ...]] = (StudentCreated, StudentUpdated, StudentDeleted)
"""The events whose payload names a student, and whose key is its id."""


def erase(context: Context, command: EraseStudent) -> StudentResult:
    """Delete a student, and its name from decisions; also of one that was deleted before.

    No name is written by a decision that is made at the same time:

    1. The student is locked: it joins and leaves no class.
    2. Its classes are locked: no batch of them is registered.
    3. The owner's open batches are locked: decisions that were under way are committed, and step 5
       sees them; later ones wait.
    4. The student is deleted: later decisions do not find it in the class.
    5. Its name goes from the decisions of all batches of the owner.
    """
    connection, student_id = context.connection, command.student_id
    old = student.lock_student(connection, student_id, context.actor)
    class_ids = [] if old is None else school_class.lock_classes_to_erase(connection, student_id)
    for level in association.lock_open_batches(connection, context.actor):
        checked(level)
    if old is not None:
        student.delete_student(connection, student_id)
    essays = association.erase_student(connection, student_id, context.actor)
    if old is None and not essays:
        raise not_found(student_id)
    context.emit(
        StudentErased(
            student_id=student_id,
            class_ids=class_ids,
            erased_by=context.actor,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    if command.tombstones:
        for event in KEYED_BY_STUDENT:
            context.emit_tombstone(event, str(student_id))
    return StudentResult(student_id=student_id)
