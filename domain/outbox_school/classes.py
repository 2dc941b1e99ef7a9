"""The rules of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_school.events import ClassCreated, ClassDeleted, ClassUpdated
from outbox_school.results import ClassResult, ErrorCode
from outbox_school.stores import school_class
from outbox_school.stores.school_class import ClassRow
from outbox_worker.application import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_school.commands import CreateClass, DeleteClass, UpdateClass
    from outbox_worker.application import Context


def create(context: Context, command: CreateClass) -> ClassResult:
    """A class of the actor's own."""
    class_id = command.class_id or command.command_id
    row = ClassRow(command.name, _only_course(command.course_codes))
    school_class.insert_class(context.connection, class_id, context.actor, row)
    context.emit(
        ClassCreated(
            class_id=class_id,
            class_designation=row.name,
            course_codes=[row.course_code],
            user_id=context.actor,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    return ClassResult(class_id=class_id)


def update(context: Context, command: UpdateClass) -> ClassResult:
    """Change what is given; without a real change nothing is written or told."""
    given = command.course_codes
    course = None if given is None else _only_course(given)
    old = school_class.lock_class(context.connection, command.class_id, context.actor)
    if old is None:
        raise _not_found(command.class_id)
    new = ClassRow(command.name or old.name, course or old.course_code)
    if new != old:
        school_class.update_class(context.connection, command.class_id, new)
        changed: dict[str, object] = {}
        if new.name != old.name:
            changed["class_designation"] = new.name
        if new.course_code != old.course_code:
            changed["course_codes"] = [new.course_code]
        context.emit(
            ClassUpdated.model_validate(
                {
                    "class_id": command.class_id,
                    **changed,
                    "user_id": context.actor,
                    "correlation_id": context.correlation_id,
                    "occurred_at": context.now,
                }
            )
        )
    return ClassResult(class_id=command.class_id)


def delete(context: Context, command: DeleteClass) -> ClassResult:
    """Delete a class of which no batch is open; its enrolments go with it."""
    old = school_class.lock_class_to_delete(context.connection, command.class_id, context.actor)
    if old is None:
        raise _not_found(command.class_id)
    if not school_class.delete_class(context.connection, command.class_id):
        raise RefusedError(
            ErrorCode.CLASS_IN_USE,
            "A batch of this class is not completed",
            class_id=str(command.class_id),
        )
    context.emit(
        ClassDeleted(
            class_id=command.class_id,
            class_designation=old.name,
            course_codes=[old.course_code],
            user_id=context.actor,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    return ClassResult(class_id=command.class_id)


def _only_course(codes: Sequence[str]) -> str:
    if len(codes) > 1:
        raise RefusedError(
            ErrorCode.MULTIPLE_COURSE_ERROR,
            "A class has exactly one course",
            course_codes=list(codes),
        )
    return codes[0]


def _not_found(class_id: UUID) -> RefusedError:
    return RefusedError(ErrorCode.NOT_FOUND, "You have no such class", class_id=str(class_id))
