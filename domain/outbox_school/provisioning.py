"""When the last slot of a batch is taken: found out by exactly one, and told once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from outbox_school.events import (
    BatchContentProvisioned,
    BatchValidationErrors,
    ErrorSummary,
    FailedFile,
    ProvisionedEssay,
)
from outbox_school.readiness import ready_if_decided
from outbox_school.stores import batch, slot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_school.slots import Taken
    from outbox_school.stores.batch import Provisioned
    from outbox_worker.application import Context


MOST_DETAIL: Final = 300
"""Characters of a remark about a failed file in an event. A record of Kafka holds 1 MiB, and a
batch of 1,000 failed files has to fit; the whole remark stays in the table."""


def complete_if_last(context: Context, batch_id: UUID, taken: Taken) -> None:
    """Complete the batch where the slot just taken may have been its last one.

    Of those who commit, the one who took a slot last sees none that is free and untouched,
    and holds none that is free and held by nobody. Either it passes the gate and waits for
    the others, or somebody has passed it, still runs, and waits for it: that one saw its
    slot as free and held. Who finds a slot free keeps it held until he ends; who takes it
    then comes later, and does all this again.
    """
    if taken.spare or slot.lock_spare_slot(context.connection, batch_id):
        return
    if not batch.lock_gate(context.connection, batch_id):
        return
    if slot.lock_free_slots(context.connection, batch_id) == 0:
        complete(context, batch_id)


def complete(context: Context, batch_id: UUID) -> None:
    """Mark and announce that every slot is taken; nothing if some are free, or if it was announced.

    A GUEST batch is completed with it; a REGULAR one as soon as its authors are decided.
    """
    provisioned = batch.mark_provisioned(context.connection, batch_id, context.now)
    if provisioned is None:
        return
    taken = slot.list_taken(context.connection, batch_id)
    essays = [
        ProvisionedEssay(
            essay_id=each.essay_id,
            text_storage_id=each.text_storage_id,
            file_upload_id=each.file_upload_id,
            original_file_name=each.original_file_name,
        )
        for each in taken
        if each.text_storage_id is not None
    ]
    failed = [
        FailedFile(
            essay_id=each.essay_id,
            file_upload_id=each.file_upload_id,
            original_file_name=each.original_file_name,
            validation_error_code=each.code,
            validation_error_detail=each.detail and _shortened(each.detail),
        )
        for each in taken
        if each.code is not None
    ]
    context.emit(_completed(context, batch_id, provisioned, essays, failed))
    if failed:
        context.emit(_errors(context, batch_id, provisioned, failed, critical=not essays))
    if provisioned.class_type == "REGULAR":
        ready_if_decided(context, batch_id)


def _shortened(detail: str) -> str:
    return detail if len(detail) <= MOST_DETAIL else f"{detail[: MOST_DETAIL - 1]}…"


def _completed(
    context: Context,
    batch_id: UUID,
    provisioned: Provisioned,
    essays: Sequence[ProvisionedEssay],
    failed: Sequence[FailedFile],
) -> BatchContentProvisioned:
    return BatchContentProvisioned(
        batch_id=batch_id,
        class_id=provisioned.class_id,
        expected_count=provisioned.expected_count,
        provisioned_count=len(essays),
        failed_count=len(failed),
        course_code=provisioned.course_code,
        user_id=provisioned.owner,
        class_type=provisioned.class_type,
        essays_for_processing=list(essays),
        failed_files=list(failed),
        correlation_id=provisioned.correlation_id,
        occurred_at=context.now,
    )


def _errors(
    context: Context,
    batch_id: UUID,
    provisioned: Provisioned,
    failed: Sequence[FailedFile],
    *,
    critical: bool,
) -> BatchValidationErrors:
    codes = Counter(each.validation_error_code for each in failed)
    return BatchValidationErrors(
        batch_id=batch_id,
        user_id=provisioned.owner,
        failed_essays=list(failed),
        error_summary=ErrorSummary(
            total=len(failed), by_code=dict(sorted(codes.items())), critical=critical
        ),
        correlation_id=provisioned.correlation_id,
        occurred_at=context.now,
    )
