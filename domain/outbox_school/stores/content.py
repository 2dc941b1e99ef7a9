"""Statements over texts that were offered to a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from outbox_worker.application import Connection


class Offer(NamedTuple):
    """A text as it was offered."""

    batch_id: UUID
    text_storage_id: str
    file_upload_id: str
    original_file_name: str
    file_size_bytes: int
    content_md5: str | None
    raw_file_storage_id: str | None
    correlation_id: UUID


class Settled(NamedTuple):
    """What became of a text; an essay where it is assigned."""

    status: Literal["assigned", "excess", "pending"]
    essay_id: UUID | None


class EarlyText(NamedTuple):
    """A text that came before its batch."""

    arrival: int
    text_storage_id: str
    file_upload_id: str
    original_file_name: str
    correlation_id: UUID


def insert_content(connection: Connection, offer: Offer) -> bool:
    """Whether the text is new; waits for a transaction that offers the same one."""
    return statements.execute(connection, "content/insert_content", offer._asdict()).rowcount > 0


def find_content(connection: Connection, batch_id: UUID, text_storage_id: str) -> Settled | None:
    """What became of a text that was offered before."""
    parameters = {"batch_id": batch_id, "text_storage_id": text_storage_id}
    row = statements.execute(connection, "content/find_content", parameters).fetchone()
    return None if row is None else Settled(*row)


def settle_content(
    connection: Connection, batch_id: UUID, text_storage_id: str, essay_id: UUID | None
) -> None:
    """A new text is assigned to an essay, or excess where there is none."""
    statements.execute(
        connection,
        "content/settle_content",
        {"batch_id": batch_id, "text_storage_id": text_storage_id, "essay_id": essay_id},
    )


def lock_early(connection: Connection, batch_id: UUID) -> list[EarlyText]:
    """The texts that came before their batch, in order of arrival, held."""
    rows = statements.execute(connection, "content/lock_early", {"batch_id": batch_id}).fetchall()
    return [EarlyText(*row) for row in rows]


def settle_early(connection: Connection, batch_id: UUID, essays: Mapping[str, UUID | None]) -> None:
    """Early texts, by their id, are assigned to an essay, or excess where there is none."""
    statements.execute(
        connection,
        "content/settle_early",
        {
            "batch_id": batch_id,
            "text_storage_ids": list(essays),
            "essay_ids": list(essays.values()),
        },
    )
