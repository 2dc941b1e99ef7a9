"""The rules of authors: suggested once, then decided once by the owner of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import to_json

from outbox_school.readiness import lock_batch, ready_if_decided
from outbox_school.results import (
    ConfirmationResult,
    ErrorCode,
    EssayFault,
    SuggestionResult,
    strings,
)
from outbox_school.stores import association
from outbox_school.stores.association import Found, Signature, Verdict
from outbox_worker.application import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from outbox_school.commands import ConfirmAssociations, Decision, Match, SuggestAssociations
    from outbox_school.stores.association import Known, LockedBatch
    from outbox_worker.application import Context

__all__ = ["confirm", "ready_if_decided", "suggest"]


def suggest(context: Context, command: SuggestAssociations) -> SuggestionResult:
    """Keep the best suggestion for each essay of which nothing is known yet.

    An essay without a text in the batch is a fault of its own; the others are kept. Of an
    essay that is named twice only the first counts.
    """
    batch_id = command.batch_id
    batch = lock_batch(context, batch_id)
    if batch is None:
        raise _not_found(batch_id)
    class_id = _class_of(batch_id, batch)
    if command.class_id != class_id:
        raise RefusedError(
            ErrorCode.CLASS_NOT_FOUND,
            "The batch is of another class",
            class_ids=strings([command.class_id]),
        )
    matches = {match.essay_id: match for match in reversed(command.matches)}
    known = association.list_assigned(context.connection, batch_id, list(matches))
    new = [match for essay_id, match in matches.items() if _is_new(known, essay_id)]
    students = {each.student_id for match in new for each in match.suggestions}
    enrolled = association.list_enrolled(context.connection, class_id, sorted(students))
    found = [_best(match, enrolled) for match in new]
    if found:
        association.insert_suggestions(context.connection, batch_id, found, context.now)
    return SuggestionResult(
        batch_id=batch_id,
        created=len(found),
        known=len(known) - len(found),
        faults=[_fault(each) for each in sorted(matches.keys() - known.keys())],
    )


def confirm(context: Context, command: ConfirmAssociations) -> ConfirmationResult:
    """Write down what the owner of the batch decided: all of it, or nothing.

    A decision that stands already is repeated without effect, whatever became of the
    student since. What was decided for lack of time gives way until the completion is written.
    """
    batch_id = command.batch_id
    batch = lock_batch(context, batch_id)
    if batch is None or batch.owner != context.actor:
        raise _not_found(batch_id)
    class_id = _class_of(batch_id, batch)
    decisions = {each.essay_id: each for each in command.associations}
    known = association.list_assigned(context.connection, batch_id, list(decisions))
    if strange := decisions.keys() - known.keys():
        raise RefusedError(
            ErrorCode.ESSAY_NOT_IN_BATCH,
            "The batch has no text for this essay",
            essay_ids=strings(strange),
        )
    told = batch.completed_at is not None
    standing = {essay_id for essay_id, each in known.items() if each.stands(told=told)}
    new = [
        each
        for essay_id, each in decisions.items()
        if essay_id not in standing or known[essay_id].student_id != each.author
    ]
    students = {each.author for each in new if each.author is not None}
    enrolled = association.list_enrolled(context.connection, class_id, sorted(students))
    _refuse_strangers(students - enrolled.keys())
    _refuse_changes({each.essay_id for each in new} & standing)
    verdicts = [_verdict(each, enrolled) for each in new]
    if verdicts:
        signature = Signature(context.actor, context.now)
        association.decide_by_hand(context.connection, batch_id, verdicts, signature)
    return ConfirmationResult(
        batch_id=batch_id,
        decided=len(verdicts),
        completed=ready_if_decided(context, batch_id),
    )


def _class_of(batch_id: UUID, batch: LockedBatch) -> UUID:
    if batch.class_id is None:
        raise RefusedError(
            ErrorCode.BATCH_NOT_REGULAR,
            "The batch has no class, so nobody says who wrote its essays",
            batch_id=str(batch_id),
        )
    return batch.class_id


def _is_new(known: Mapping[UUID, Known], essay_id: UUID) -> bool:
    return essay_id in known and known[essay_id].status is None


def _best(match: Match, enrolled: Collection[UUID]) -> Found:
    """The best suggestion of somebody in the class; of equal ones the first of the list."""
    best = max(
        (each for each in match.suggestions if each.student_id in enrolled),
        key=lambda each: each.confidence_score,
        default=None,
    )
    if best is None:
        return Found(match.essay_id, None, None, None, match.no_match_reason)
    reasons = to_json(best.match_reasons).decode()
    return Found(match.essay_id, best.student_id, best.confidence_score, reasons, None)


def _verdict(decision: Decision, names: Mapping[UUID, str]) -> Verdict:
    author = decision.author
    return Verdict(decision.essay_id, author, None if author is None else names[author])


def _refuse_strangers(student_ids: Collection[UUID]) -> None:
    if student_ids:
        raise RefusedError(
            ErrorCode.STUDENT_NOT_IN_CLASS,
            "The class of the batch has no such student",
            student_ids=strings(student_ids),
        )


def _refuse_changes(essay_ids: Collection[UUID]) -> None:
    if essay_ids:
        raise RefusedError(
            ErrorCode.ALREADY_CONFIRMED,
            "Who wrote this essay is decided already, and not so",
            essay_ids=strings(essay_ids),
        )


def _not_found(batch_id: UUID) -> RefusedError:
    return RefusedError(ErrorCode.NOT_FOUND, "You have no such batch", batch_id=str(batch_id))


def _fault(essay_id: UUID) -> EssayFault:
    return EssayFault(
        essay_id=essay_id,
        code=ErrorCode.ESSAY_NOT_IN_BATCH,
        message="The batch has no text for this essay",
    )
