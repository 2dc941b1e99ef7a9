"""Statements over files that failed their validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from outbox_worker.application import Connection


class Report(NamedTuple):
    """A failed file as it was reported."""

    batch_id: UUID
    file_upload_id: str
    original_file_name: str
    code: str
    detail: str | None
    raw_file_storage_id: str | None
    file_size_bytes: int | None
    correlation_id: UUID


class Settled(NamedTuple):
    """What became of a failed file; the essay that it used up where it did."""

    status: Literal["failed", "excess", "pending"]
    essay_id: UUID | None


class EarlyFailure(NamedTuple):
    """A file that failed before its batch came."""

    arrival: int
    file_upload_id: str


def insert_failure(connection: Connection, report: Report) -> bool:
    """Whether the failure is new; waits for a transaction that reports the same one."""
    return statements.execute(connection, "failure/insert_failure", report._asdict()).rowcount > 0


def find_failure(connection: Connection, batch_id: UUID, file_upload_id: str) -> Settled | None:
    """What became of a failed file that was reported before."""
    parameters = {"batch_id": batch_id, "file_upload_id": file_upload_id}
    row = statements.execute(connection, "failure/find_failure", parameters).fetchone()
    return None if row is None else Settled(*row)


def settle_failure(
    connection: Connection, batch_id: UUID, file_upload_id: str, essay_id: UUID | None
) -> None:
    """A new failure uses up an essay, or is excess where there is none."""
    statements.execute(
        connection,
        "failure/settle_failure",
        {"batch_id": batch_id, "file_upload_id": file_upload_id, "essay_id": essay_id},
    )


def lock_early(connection: Connection, batch_id: UUID) -> list[EarlyFailure]:
    """The files that failed before their batch came, in order of arrival, held."""
    rows = statements.execute(connection, "failure/lock_early", {"batch_id": batch_id}).fetchall()
    return [EarlyFailure(*row) for row in rows]


def settle_early(connection: Connection, batch_id: UUID, essays: Mapping[str, UUID | None]) -> None:
    """Early failures, by their upload, use up an essay, or are excess where there is none."""
    statements.execute(
        connection,
        "failure/settle_early",
        {
            "batch_id": batch_id,
            "file_upload_ids": list(essays),
            "essay_ids": list(essays.values()),
        },
    )
