"""Statements over the authors of essays, and over the batch that they complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection

Status: TypeAlias = Literal["suggested", "no_match", "confirmed", "no_student"]


class LockedBatch(NamedTuple):
    """A batch that nobody else decides about before the transaction ends."""

    owner: str
    class_type: Literal["GUEST", "REGULAR"]
    class_id: UUID | None
    course_code: str
    course_language: str
    student_prompt_ref: str | None
    correlation_id: UUID
    provisioned_at: datetime | None
    completed_at: datetime | None
    isolation_level: str


class Known(NamedTuple):
    """What is known of the author of an essay; status None where nothing is."""

    status: Status | None
    student_id: UUID | None
    method: Literal["human", "timeout"] | None

    def stands(self, *, told: bool) -> bool:
        """Whether a person has no say any more; `student_id` None where it is nobody.

        What was decided for lack of time stands only once its event is written.
        """
        return self.method == "human" or (told and self.method is not None)


class Found(NamedTuple):
    """A suggestion to be kept; without a student there was no match. `reasons` is JSON."""

    essay_id: UUID
    student_id: UUID | None
    score: float | None
    reasons: str | None
    no_match_reason: str | None


class Verdict(NamedTuple):
    """A decision about an essay; without a student nobody of the class wrote it."""

    essay_id: UUID
    student_id: UUID | None
    student_name: str | None


class Signature(NamedTuple):
    """Who decides, and when."""

    by: str
    at: datetime


class Claimed(NamedTuple):
    """An essay whose author is overdue, and its batch, locked."""

    batch_id: UUID
    essay_id: UUID
    class_id: UUID
    correlation_id: UUID


class Author(NamedTuple):
    """A text of a completed batch, and who wrote it."""

    essay_id: UUID
    text_storage_id: str
    student_id: UUID | None
    student_name: str | None
    confidence: float | None
    method: Literal["human", "timeout"]
    validated_by: str
    validated_at: datetime


def lock_batch(connection: Connection, batch_id: UUID) -> LockedBatch | None:
    """The batch, held against whoever else decides about it."""
    parameters = {"batch_id": batch_id}
    row = statements.execute(connection, "association/lock_batch", parameters).fetchone()
    return None if row is None else LockedBatch(*row)


def list_assigned(
    connection: Connection, batch_id: UUID, essay_ids: Sequence[UUID]
) -> dict[UUID, Known]:
    """Those of `essay_ids` that have a text in the batch, and what is known of their authors."""
    parameters = {"batch_id": batch_id, "essay_ids": list(essay_ids)}
    rows = statements.execute(connection, "association/list_assigned", parameters).fetchall()
    return {row[0]: Known(*row[1:]) for row in rows}


def list_enrolled(
    connection: Connection, class_id: UUID, student_ids: Sequence[UUID]
) -> Mapping[UUID, str]:
    """Those of `student_ids` that are in the class, and their names."""
    parameters = {"class_id": class_id, "student_ids": list(student_ids)}
    return dict(statements.execute(connection, "association/list_enrolled", parameters).fetchall())


def insert_suggestions(
    connection: Connection, batch_id: UUID, found: Sequence[Found], now: datetime
) -> int:
    """Keep suggestions for essays of a locked batch of which nothing is known; how many."""
    essay_ids, student_ids, scores, reasons, no_match_reasons = map(list, zip(*found, strict=True))
    return statements.execute(
        connection,
        "association/insert_suggestions",
        {
            "batch_id": batch_id,
            "essay_ids": essay_ids,
            "student_ids": student_ids,
            "scores": scores,
            "reasons": reasons,
            "no_match_reasons": no_match_reasons,
            "now": now,
        },
    ).rowcount


def decide_by_hand(
    connection: Connection, batch_id: UUID, verdicts: Sequence[Verdict], signature: Signature
) -> int:
    """Decide about essays of a locked batch that no person has decided; how many those were."""
    essay_ids, student_ids, student_names = map(list, zip(*verdicts, strict=True))
    return statements.execute(
        connection,
        "association/decide_by_hand",
        {
            "batch_id": batch_id,
            "essay_ids": essay_ids,
            "student_ids": student_ids,
            "student_names": student_names,
            "validated_by": signature.by,
            "now": signature.at,
        },
    ).rowcount


def claim_overdue(connection: Connection, until: datetime, rows: int) -> list[Claimed]:
    """Up to `rows` undecided essays suggested no later than `until`, their batches locked."""
    parameters = {"until": until, "rows": rows}
    found = statements.execute(connection, "association/claim_overdue", parameters).fetchall()
    return [Claimed(*row) for row in found]


def decide_overdue(
    connection: Connection,
    claimed: Sequence[Claimed],
    min_score: float,
    signature: Signature,
) -> list[tuple[UUID, UUID | None]]:
    """Decide what was claimed and still is undecided; for each its batch and its student."""
    return statements.execute(
        connection,
        "association/decide_overdue",
        {
            "batch_ids": [each.batch_id for each in claimed],
            "essay_ids": [each.essay_id for each in claimed],
            "class_ids": [each.class_id for each in claimed],
            "min_score": min_score,
            "validated_by": signature.by,
            "now": signature.at,
        },
    ).fetchall()


def complete_batch(connection: Connection, batch_id: UUID, now: datetime) -> bool:
    """Complete a locked batch of which nothing is left to do; False where that is not so now."""
    parameters = {"batch_id": batch_id, "now": now}
    return statements.execute(connection, "association/complete_batch", parameters).rowcount > 0


def lock_open_batches(connection: Connection, owner: str) -> list[str]:
    """Hold the owner's open batches of classes; for each the isolation level."""
    rows = statements.execute(connection, "association/lock_open_batches", {"owner": owner})
    return [row[0] for row in rows.fetchall()]


def erase_student(connection: Connection, student_id: UUID, owner: str) -> int:
    """Remove what names a student from the owner's batches; how many essays have its id."""
    parameters = {"student_id": student_id, "owner": owner}
    return statements.execute(connection, "association/erase_student", parameters).rowcount


def list_authors(connection: Connection, batch_id: UUID) -> list[Author]:
    """Every text of a completed batch with its author, in the order of the slots."""
    parameters = {"batch_id": batch_id}
    rows = statements.execute(connection, "association/list_authors", parameters).fetchall()
    return [Author(*row) for row in rows]
