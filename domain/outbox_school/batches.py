"""The rules of registration: a batch and its slots, and everything that came before them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from outbox_school.early import replay
from outbox_school.provisioning import complete
from outbox_school.results import BatchResult, ErrorCode, strings
from outbox_school.slots import checked
from outbox_school.stores import batch, school_class
from outbox_school.stores.batch import Registration
from outbox_worker.application import RefusedError

if TYPE_CHECKING:
    from outbox_school.commands import RegisterBatch
    from outbox_school.stores.batch import Registered
    from outbox_worker.application import Context


def register(context: Context, command: RegisterBatch) -> BatchResult:
    """A batch with its slots; what came early gets them in order of arrival.

    The same registration again writes nothing; another one under the same id is refused.
    """
    connection, batch_id = context.connection, command.batch_id
    checked(batch.lock_registration(connection, batch_id))
    known = batch.find_registered(connection, batch_id)
    if known is not None:
        _refuse_other(command, known)
        return BatchResult(batch_id=batch_id, created=False)
    _refuse_strange_class(context, command)
    essay_ids = command.essay_ids or [uuid4() for _ in range(command.count)]
    registration = Registration(
        batch_id=batch_id,
        owner=command.user_id,
        course_code=command.course_code,
        class_id=command.class_id,
        org_id=command.org_id,
        student_prompt_ref=command.student_prompt_ref,
        essay_ids=essay_ids,
        correlation_id=context.correlation_id,
    )
    batch.insert_batch(connection, registration)
    early = replay(context, batch_id, essay_ids)
    if early.is_full:
        complete(context, batch_id)
    return BatchResult(
        batch_id=batch_id,
        created=True,
        early_assigned=early.assigned,
        early_excess=early.excess,
    )


def _refuse_strange_class(context: Context, command: RegisterBatch) -> None:
    """The class is the user's, and stays until this transaction ends."""
    if command.class_id is None:
        return
    wanted = [command.class_id]
    if not school_class.lock_owned_classes(context.connection, wanted, command.user_id):
        raise RefusedError(
            ErrorCode.CLASS_NOT_FOUND, "The user has no such class", class_ids=strings(wanted)
        )


def _refuse_other(command: RegisterBatch, known: Registered) -> None:
    fields = _differences(command, known)
    if fields:
        raise RefusedError(
            ErrorCode.BATCH_CONFLICT,
            f"This batch_id is registered with other content: {', '.join(fields)}",
            batch_id=str(command.batch_id),
            fields=list(fields),
        )


def _differences(command: RegisterBatch, known: Registered) -> list[str]:
    """The fields that are not as they were; of somebody else's batch only the owner.

    A count agrees with any list of that length; what was left out was none.
    """
    if command.user_id != known.owner:
        return ["user_id"]
    pairs = {
        "course_code": (command.course_code, known.course_code),
        "essay_ids": (command.essay_ids or known.essay_ids, known.essay_ids),
        "expected_essay_count": (command.count, known.expected_count),
        "class_id": (command.class_id, known.class_id),
        "org_id": (command.org_id, known.org_id),
        "student_prompt_ref": (command.student_prompt_ref, known.student_prompt_ref),
    }
    given = command.model_fields_set | {"class_id", "org_id", "student_prompt_ref"}
    return [name for name, (new, old) in pairs.items() if name in given and new != old]
