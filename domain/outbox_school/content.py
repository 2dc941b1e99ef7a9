"""The rules of texts and of files that failed: each takes one slot of its batch, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, assert_never

from outbox_school.events import NO_AVAILABLE_SLOT, EssaySlotAssigned, ExcessContentProvisioned
from outbox_school.provisioning import complete_if_last
from outbox_school.results import ContentResult, FailureResult
from outbox_school.slots import Missed, Taken, take
from outbox_school.stores import content, failure
from outbox_school.stores.content import Offer
from outbox_school.stores.failure import Report
from outbox_school.stores.slot import Use

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_school.commands import ProvisionContent, RecordValidationFailure
    from outbox_worker.application import Context


def provision(context: Context, command: ProvisionContent) -> ContentResult:
    """Put a text into the lowest free slot; exactly where all are taken it is excess.

    Where there is no such batch it is kept until there is one. A text that was offered
    before gets the same answer again.
    """
    connection, batch_id, text = context.connection, command.batch_id, command.text_storage_id
    # First of all: a text must not hold a slot while it waits for its twin. Where the twin
    # is purged between the two statements, the text is new again.
    while not content.insert_content(connection, _offer(context, command)):
        known = content.find_content(connection, batch_id, text)
        if known is not None:
            return _placed(batch_id, known.status, known.essay_id, created=False)
    outcome = take(context, batch_id, Use("assigned", text, command.file_upload_id))
    match outcome:
        case Taken(essay_id=essay_id):
            content.settle_content(connection, batch_id, text, essay_id)
            context.emit(_assigned(context, command, essay_id))
            complete_if_last(context, batch_id, outcome)
            return _placed(batch_id, "assigned", essay_id, created=True)
        case Missed.FULL:
            content.settle_content(connection, batch_id, text, None)
            context.emit(_excess(context, command))
            return _placed(batch_id, "excess", None, created=True)
        case Missed.UNREGISTERED:
            return _placed(batch_id, "pending", None, created=True)
        case _:
            assert_never(outcome)


def record_failure(context: Context, command: RecordValidationFailure) -> FailureResult:
    """Let a failed file use up the lowest free slot; where all are taken it is excess.

    Where there is no such batch it is kept until there is one. A file that was reported
    before gets the same answer again.
    """
    connection, batch_id, upload = context.connection, command.batch_id, command.file_upload_id
    while not failure.insert_failure(connection, _report(context, command)):
        known = failure.find_failure(connection, batch_id, upload)
        if known is not None:
            return FailureResult(
                batch_id=batch_id, status=known.status, essay_id=known.essay_id, created=False
            )
    outcome = take(context, batch_id, Use("failed", None, upload))
    match outcome:
        case Taken(essay_id=essay_id):
            failure.settle_failure(connection, batch_id, upload, essay_id)
            complete_if_last(context, batch_id, outcome)
            return FailureResult(
                batch_id=batch_id, status="failed", essay_id=essay_id, created=True
            )
        case Missed.FULL:
            failure.settle_failure(connection, batch_id, upload, None)
            return FailureResult(batch_id=batch_id, status="excess", created=True)
        case Missed.UNREGISTERED:
            return FailureResult(batch_id=batch_id, status="pending", created=True)
        case _:
            assert_never(outcome)


def _placed(
    batch_id: UUID,
    status: Literal["assigned", "excess", "pending"],
    essay_id: UUID | None,
    *,
    created: bool,
) -> ContentResult:
    return ContentResult(
        batch_id=batch_id,
        status=status,
        essay_id=essay_id,
        reason=NO_AVAILABLE_SLOT if status == "excess" else None,
        created=created,
    )


def _offer(context: Context, command: ProvisionContent) -> Offer:
    return Offer(
        batch_id=command.batch_id,
        text_storage_id=command.text_storage_id,
        file_upload_id=command.file_upload_id,
        original_file_name=command.original_file_name,
        file_size_bytes=command.file_size_bytes,
        content_md5=command.content_md5,
        raw_file_storage_id=command.raw_file_storage_id,
        correlation_id=context.correlation_id,
    )


def _report(context: Context, command: RecordValidationFailure) -> Report:
    return Report(
        batch_id=command.batch_id,
        file_upload_id=command.file_upload_id,
        original_file_name=command.original_file_name,
        code=command.validation_error_code,
        detail=command.validation_error_detail,
        raw_file_storage_id=command.raw_file_storage_id,
        file_size_bytes=command.file_size_bytes,
        correlation_id=context.correlation_id,
    )


def _assigned(context: Context, command: ProvisionContent, essay_id: UUID) -> EssaySlotAssigned:
    return EssaySlotAssigned(
        batch_id=command.batch_id,
        essay_id=essay_id,
        file_upload_id=command.file_upload_id,
        text_storage_id=command.text_storage_id,
        original_file_name=command.original_file_name,
        correlation_id=context.correlation_id,
        occurred_at=context.now,
    )


def _excess(context: Context, command: ProvisionContent) -> ExcessContentProvisioned:
    return ExcessContentProvisioned(
        batch_id=command.batch_id,
        text_storage_id=command.text_storage_id,
        original_file_name=command.original_file_name,
        reason=NO_AVAILABLE_SLOT,
        correlation_id=context.correlation_id,
        occurred_at=context.now,
    )
