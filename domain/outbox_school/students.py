"""The rules of students and their enrolments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_school.events import StudentCreated, StudentDeleted, StudentUpdated
from outbox_school.results import ErrorCode, StudentResult, strings
from outbox_school.stores import enrolment, school_class, student
from outbox_school.stores.student import Person
from outbox_worker.application import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from outbox_school.commands import CreateStudent, DeleteStudent, UpdateStudent
    from outbox_worker.application import Context


def create(context: Context, command: CreateStudent) -> StudentResult:
    """A student of the actor's own, enrolled where the command says."""
    student_id = command.student_id or command.command_id
    legal_name = command.legal_full_name or f"{command.first_name} {command.last_name}"
    person = Person(command.first_name, command.last_name, legal_name, command.email)
    student.insert_student(context.connection, student_id, context.actor, person)
    owned = _lock_classes(context, command.class_ids)
    class_ids = _enrol(context, student_id, command.class_ids, owned)
    context.emit(
        StudentCreated(
            student_id=student_id,
            first_name=person.first_name,
            last_name=person.last_name,
            legal_full_name=person.legal_full_name,
            student_email=person.email,
            class_ids=class_ids,
            created_by=context.actor,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    return StudentResult(student_id=student_id)


def update(context: Context, command: UpdateStudent) -> StudentResult:
    """Change what is given; the event says what really changed, and without that there is none."""
    student_id = command.student_id
    old = student.lock_student(context.connection, student_id, context.actor)
    if old is None:
        raise not_found(student_id)
    new = _changed(old, command)
    if new != old:
        student.update_student(context.connection, student_id, new)
    owned = _lock_classes(context, {*command.add_class_ids, *command.remove_class_ids})
    added = _enrol(context, student_id, command.add_class_ids, owned)
    leaving = owned.intersection(command.remove_class_ids)
    removed = (
        enrolment.delete_enrolments(context.connection, student_id, sorted(leaving))
        if leaving
        else []
    )
    changes: dict[str, object] = {
        ("student_email" if name == "email" else name): value
        for name, value in new._asdict().items()
        if value != getattr(old, name)
    }
    if added:
        changes["added_class_ids"] = added
    if removed:
        changes["removed_class_ids"] = removed
    if changes:
        context.emit(
            StudentUpdated.model_validate(
                {
                    "student_id": student_id,
                    **changes,
                    "updated_by": context.actor,
                    "correlation_id": context.correlation_id,
                    "occurred_at": context.now,
                }
            )
        )
    return StudentResult(student_id=student_id)


def delete(context: Context, command: DeleteStudent) -> StudentResult:
    """Delete a student; its enrolments go, confirmed associations keep id and name."""
    old = student.lock_student(context.connection, command.student_id, context.actor)
    if old is None:
        raise not_found(command.student_id)
    class_ids = school_class.lock_classes_of_student(context.connection, command.student_id)
    student.delete_student(context.connection, command.student_id)
    context.emit(
        StudentDeleted(
            student_id=command.student_id,
            first_name=old.first_name,
            last_name=old.last_name,
            legal_full_name=old.legal_full_name,
            student_email=old.email,
            class_ids=class_ids,
            deleted_by=context.actor,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    return StudentResult(student_id=command.student_id)


def _changed(old: Person, command: UpdateStudent) -> Person:
    """The person with what is given; a legal name that followed the names continues to do so."""
    first = command.first_name or old.first_name
    last = command.last_name or old.last_name
    follows = old.legal_full_name == f"{old.first_name} {old.last_name}"
    legal = command.legal_full_name or (f"{first} {last}" if follows else old.legal_full_name)
    email = command.email if "email" in command.model_fields_set else old.email
    return Person(first, last, legal, email)


def _lock_classes(context: Context, class_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the classes that are the actor's.

    Locked at once and in one order, after the student and before any enrolment: two
    commands that share classes or a student wait for each other only ever one way.
    """
    if not class_ids:
        return frozenset()
    wanted = sorted(set(class_ids))
    return frozenset(school_class.lock_owned_classes(context.connection, wanted, context.actor))


def _enrol(
    context: Context, student_id: UUID, class_ids: Collection[UUID], owned: Collection[UUID]
) -> list[UUID]:
    """Enrol in classes, which must be among the actor's own; returns those that are new."""
    wanted = set(class_ids)
    if missing := wanted.difference(owned):
        raise RefusedError(
            ErrorCode.CLASS_NOT_FOUND, "You have no such class", class_ids=strings(missing)
        )
    if not wanted:
        return []
    return enrolment.insert_enrolments(context.connection, student_id, sorted(wanted))


def not_found(student_id: UUID) -> RefusedError:
    """The refusal where the actor has no such student, whatever others have."""
    return RefusedError(ErrorCode.NOT_FOUND, "You have no such student", student_id=str(student_id))
