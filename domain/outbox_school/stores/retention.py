"""Statements over what is finished and old: batches, what came early.

A claim holds until its transaction ends, and passes over what is in use; what it
gives is deleted in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection, Span


class ClaimedBatch(NamedTuple):
    """A completed batch; `held` is False while somebody works on it."""

    batch_id: UUID
    completed_at: datetime
    held: bool


class ClaimedEarly(NamedTuple):
    """A text or failed file that waits; `held` is False while somebody works on its batch."""

    batch_id: UUID
    id: str
    arrived_at: datetime
    held: bool


class Parts(NamedTuple):
    """How many rows belong to some batches, besides the batches."""

    slots: int
    content: int
    failures: int
    associations: int


def claim_batches(
    connection: Connection, class_type: str, span: Span, batches: int, slots: int
) -> list[ClaimedBatch]:
    """Some completed batches, oldest first, of up to about `slots` slots together."""
    parameters = {"class_type": class_type, **span._asdict(), "batches": batches, "slots": slots}
    rows = statements.execute(connection, "retention/claim_batches", parameters).fetchall()
    return [ClaimedBatch(*row) for row in rows]


def delete_slots(connection: Connection, batch_ids: Sequence[UUID]) -> int:
    """Delete the slots of batches that are held; how many those were."""
    parameters = {"batch_ids": list(batch_ids)}
    return statements.execute(connection, "retention/delete_slots", parameters).rowcount


def delete_content(connection: Connection, batch_ids: Sequence[UUID]) -> int:
    """Delete the texts of batches that are held, assigned, excess or pending; how many."""
    parameters = {"batch_ids": list(batch_ids)}
    return statements.execute(connection, "retention/delete_content", parameters).rowcount


def delete_failures(connection: Connection, batch_ids: Sequence[UUID]) -> int:
    """Delete the failed files of batches that are held; how many those were."""
    parameters = {"batch_ids": list(batch_ids)}
    return statements.execute(connection, "retention/delete_failures", parameters).rowcount


def delete_associations(connection: Connection, batch_ids: Sequence[UUID]) -> int:
    """Delete the associations of batches that are held; how many those were."""
    parameters = {"batch_ids": list(batch_ids)}
    return statements.execute(connection, "retention/delete_associations", parameters).rowcount


def delete_batches(connection: Connection, class_type: str, batch_ids: Sequence[UUID]) -> int:
    """Delete batches that are held, and take them off the tally; how many those were."""
    parameters: dict[str, object] = {"class_type": class_type, "batch_ids": list(batch_ids)}
    return _number(connection, "retention/delete_batches", parameters)


def claim_early_content(connection: Connection, span: Span, rows: int) -> list[ClaimedEarly]:
    """Some texts that wait for a batch that is not there, oldest first."""
    parameters = {**span._asdict(), "rows": rows}
    found = statements.execute(connection, "retention/claim_early_content", parameters).fetchall()
    return [ClaimedEarly(*row) for row in found]


def delete_early_content(
    connection: Connection, claimed: Sequence[ClaimedEarly], before: datetime
) -> int:
    """Delete those of the claimed texts that still wait; how many those were."""
    parameters = {
        "batch_ids": [row.batch_id for row in claimed],
        "text_storage_ids": [row.id for row in claimed],
        "before": before,
    }
    return statements.execute(connection, "retention/delete_early_content", parameters).rowcount


def claim_early_failures(connection: Connection, span: Span, rows: int) -> list[ClaimedEarly]:
    """Some failed files that wait for a batch that is not there, oldest first."""
    parameters = {**span._asdict(), "rows": rows}
    found = statements.execute(connection, "retention/claim_early_failures", parameters).fetchall()
    return [ClaimedEarly(*row) for row in found]


def delete_early_failures(
    connection: Connection, claimed: Sequence[ClaimedEarly], before: datetime
) -> int:
    """Delete those of the claimed failed files that still wait; how many those were."""
    parameters = {
        "batch_ids": [row.batch_id for row in claimed],
        "file_upload_ids": [row.id for row in claimed],
        "before": before,
    }
    return statements.execute(connection, "retention/delete_early_failures", parameters).rowcount


def count_batches(connection: Connection, class_type: str, before: datetime) -> int:
    """How many batches purge would delete."""
    parameters = {"class_type": class_type, "before": before}
    return _number(connection, "retention/count_batches", parameters)


def count_parts(connection: Connection, class_type: str, before: datetime) -> Parts:
    """How many rows purge would delete with these batches."""
    parameters = {"class_type": class_type, "before": before}
    row = statements.execute(connection, "retention/count_parts", parameters).fetchone()
    if row is None:
        raise RuntimeError("retention/count_parts returned no row")
    return Parts(*row)


def count_early_content(connection: Connection, before: datetime) -> int:
    """How many texts purge would delete that wait for a batch that is not there."""
    return _number(connection, "retention/count_early_content", {"before": before})


def count_early_failures(connection: Connection, before: datetime) -> int:
    """How many failed files purge would delete that wait for a batch that is not there."""
    return _number(connection, "retention/count_early_failures", {"before": before})


def _number(connection: Connection, name: str, parameters: dict[str, object]) -> int:
    row = statements.execute(connection, name, parameters).fetchone()
    if row is None:
        raise RuntimeError(f"{name} returned no row")
    return int(row[0])
