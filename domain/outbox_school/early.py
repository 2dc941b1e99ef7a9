"""What came before its batch gets its slot when the batch is registered, in order of arrival."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple, assert_never

from outbox_school.events import NO_AVAILABLE_SLOT, EssaySlotAssigned, ExcessContentProvisioned
from outbox_school.stores import content, failure, slot
from outbox_school.stores.content import EarlyText
from outbox_school.stores.failure import EarlyFailure
from outbox_school.stores.slot import Use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_worker.application import Context, Event


class Replayed(NamedTuple):
    """How many early texts got a slot, and how many none; whether every slot is taken."""

    assigned: int
    excess: int
    is_full: bool


def replay(context: Context, batch_id: UUID, essay_ids: Sequence[UUID]) -> Replayed:
    """Put what came early into the slots of a batch that this transaction registered.

    Expects that the arrivals at the batch are held. Takes
    a handful of statements, however much came.
    """
    early: list[EarlyText | EarlyFailure] = sorted(
        [
            *content.lock_early(context.connection, batch_id),
            *failure.lock_early(context.connection, batch_id),
        ],
        key=lambda each: each.arrival,
    )
    if not early:
        return Replayed(0, 0, is_full=False)
    uses = [_use(each) for each in early[: len(essay_ids)]]
    slot.take_slots(context.connection, batch_id, uses, context.now)
    # The n-th to come has the n-th slot; who comes after the last slot has none.
    placed = list(zip(early, chain(essay_ids, repeat(None)), strict=False))
    _settle(context, batch_id, placed)
    texts = [(each, essay_id) for each, essay_id in placed if isinstance(each, EarlyText)]
    for text, essay_id in texts:
        context.emit(_event(context, batch_id, text, essay_id))
    excess = sum(essay_id is None for _, essay_id in texts)
    return Replayed(len(texts) - excess, excess, is_full=len(early) >= len(essay_ids))


def _use(early: EarlyText | EarlyFailure) -> Use:
    match early:
        case EarlyText():
            return Use("assigned", early.text_storage_id, early.file_upload_id)
        case EarlyFailure():
            return Use("failed", None, early.file_upload_id)
        case _:
            assert_never(early)


def _settle(
    context: Context,
    batch_id: UUID,
    placed: Sequence[tuple[EarlyText | EarlyFailure, UUID | None]],
) -> None:
    texts: dict[str, UUID | None] = {}
    failures: dict[str, UUID | None] = {}
    for each, essay_id in placed:
        match each:
            case EarlyText():
                texts[each.text_storage_id] = essay_id
            case EarlyFailure():
                failures[each.file_upload_id] = essay_id
            case _:
                assert_never(each)
    if texts:
        content.settle_early(context.connection, batch_id, texts)
    if failures:
        failure.settle_early(context.connection, batch_id, failures)


def _event(context: Context, batch_id: UUID, early: EarlyText, essay_id: UUID | None) -> Event:
    """With the correlation id under which the text came."""
    if essay_id is None:
        return ExcessContentProvisioned(
            batch_id=batch_id,
            text_storage_id=early.text_storage_id,
            original_file_name=early.original_file_name,
            reason=NO_AVAILABLE_SLOT,
            correlation_id=early.correlation_id,
            occurred_at=context.now,
        )
    return EssaySlotAssigned(
        batch_id=batch_id,
        essay_id=essay_id,
        file_upload_id=early.file_upload_id,
        text_storage_id=early.text_storage_id,
        original_file_name=early.original_file_name,
        correlation_id=early.correlation_id,
        occurred_at=context.now,
    )
