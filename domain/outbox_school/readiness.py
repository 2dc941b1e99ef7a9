"""When nothing is left to do for a batch of a class: told once, and the batch is completed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from outbox_school.events import (
    AssociationsConfirmed,
    AssociationsSummary,
    BatchEssaysReady,
    ConfirmedAssociation,
    ReadyEssay,
)
from outbox_school.slots import checked
from outbox_school.stores import association

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_school.stores.association import Author, LockedBatch
    from outbox_worker.application import Context


class Of(NamedTuple):
    """Which batch of which class."""

    batch_id: UUID
    class_id: UUID


def lock_batch(context: Context, batch_id: UUID) -> LockedBatch | None:
    """The batch, held against all who decide about it; None where there is none.

    `IsolationLevelError` where the transaction would not see what those wrote who were
    waited for: nobody would find the last decision, and the batch would wait for ever.
    """
    batch = association.lock_batch(context.connection, batch_id)
    if batch is not None:
        checked(batch.isolation_level)
    return batch


def ready_if_decided(context: Context, batch_id: UUID) -> bool:
    """Whether a batch of a class is completed: by this call, or before.

    It is where its content is complete and each of its texts has a decided author. Call it
    after whatever may have made that true, in the same transaction: it locks the batch, so
    that the last of those who race finds the work of the others, and one of them tells.
    """
    batch = lock_batch(context, batch_id)
    if batch is None or batch.provisioned_at is None or batch.class_id is None:
        return False
    if batch.completed_at is not None:
        return True
    if not association.complete_batch(context.connection, batch_id, context.now):
        return False
    authors = association.list_authors(context.connection, batch_id)
    of = Of(batch_id, batch.class_id)
    context.emit(_confirmed(context, of, batch, authors))
    context.emit(_ready(context, of, batch, authors))
    return True


def _confirmed(
    context: Context, of: Of, batch: LockedBatch, authors: Sequence[Author]
) -> AssociationsConfirmed:
    methods = Counter(author.method for author in authors)
    confirmed = sum(author.student_id is not None for author in authors)
    return AssociationsConfirmed(
        batch_id=of.batch_id,
        class_id=of.class_id,
        course_code=batch.course_code,
        user_id=batch.owner,
        associations=[
            ConfirmedAssociation(
                essay_id=author.essay_id,
                student_id=author.student_id,
                student_name=author.student_name,
                confidence=author.confidence,
                method=author.method,
                validated_by=author.validated_by,
                validated_at=author.validated_at,
            )
            for author in authors
        ],
        timeout_triggered=methods["timeout"] > 0,
        summary=AssociationsSummary(
            confirmed=confirmed,
            no_student=len(authors) - confirmed,
            by_method={"human": methods["human"], "timeout": methods["timeout"]},
        ),
        correlation_id=batch.correlation_id,
        occurred_at=context.now,
    )


def _ready(
    context: Context, of: Of, batch: LockedBatch, authors: Sequence[Author]
) -> BatchEssaysReady:
    return BatchEssaysReady(
        batch_id=of.batch_id,
        class_id=of.class_id,
        user_id=batch.owner,
        ready_essays=[
            ReadyEssay(
                essay_id=author.essay_id,
                text_storage_id=author.text_storage_id,
                student_id=author.student_id,
            )
            for author in authors
        ],
        course_code=batch.course_code,
        course_language=batch.course_language,
        class_type=batch.class_type,
        student_prompt_ref=batch.student_prompt_ref,
        correlation_id=batch.correlation_id,
        occurred_at=context.now,
    )
