"""Statements over slots: who gets one, who waits for one, what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection


class Use(NamedTuple):
    """What a slot is taken for: a text, or a file that failed and has none."""

    status: Literal["assigned", "failed"]
    text_storage_id: str | None
    file_upload_id: str


class Claim(NamedTuple):
    """What a claim found, at one moment.

    Without `essay_id` no slot was to be had that nobody holds. `spare` says that another one
    was free and untouched after this one was taken, `registered` that there is such a batch.
    """

    essay_id: UUID | None
    spare: bool
    registered: bool


class TakenSlot(NamedTuple):
    """A slot with what is in it: a text, or the code of why a file failed."""

    essay_id: UUID
    file_upload_id: str
    text_storage_id: str | None
    original_file_name: str
    code: str | None
    detail: str | None


class SlotView(NamedTuple):
    """A slot as a reader sees it."""

    position: int
    essay_id: UUID
    status: Literal["free", "assigned", "failed"]
    text_storage_id: str | None
    file_upload_id: str | None
    original_file_name: str | None
    validation_error_code: str | None
    association_status: Literal["suggested", "no_match", "confirmed", "no_student"] | None
    student_id: UUID | None
    student_name: str | None
    method: Literal["human", "timeout"] | None
    taken_at: datetime | None


def claim_slot(connection: Connection, batch_id: UUID, use: Use, now: datetime) -> Claim:
    """Take the lowest free slot that nobody holds; waits for nobody."""
    parameters = {"batch_id": batch_id, "now": now, **use._asdict()}
    (row,) = statements.execute(connection, "slot/claim_slot", parameters).fetchall()
    return Claim(*row)


def find_free_slot(connection: Connection, batch_id: UUID) -> int | None:
    """The lowest slot that nobody took for good, though he may hold it; None: all are taken."""
    parameters = {"batch_id": batch_id}
    row = statements.execute(connection, "slot/find_free_slot", parameters).fetchone()
    return None if row is None else int(row[0])


def wait_for_slot(
    connection: Connection, batch_id: UUID, position: int, use: Use, now: datetime
) -> UUID | None:
    """Take this slot once nobody else holds it; None, and to be rolled back: it is taken."""
    parameters = {"batch_id": batch_id, "position": position, "now": now, **use._asdict()}
    row = statements.execute(connection, "slot/wait_for_slot", parameters).fetchone()
    essay_id: UUID | None = None if row is None else row[0]
    return essay_id


def lock_spare_slot(connection: Connection, batch_id: UUID) -> bool:
    """Whether a free slot was found that nobody held; it is held until the transaction ends."""
    parameters = {"batch_id": batch_id}
    return statements.execute(connection, "slot/lock_spare_slot", parameters).fetchone() is not None


def lock_free_slots(connection: Connection, batch_id: UUID) -> int:
    """Wait for all who hold a free slot; how many are free still, held until the end."""
    parameters = {"batch_id": batch_id}
    (row,) = statements.execute(connection, "slot/lock_free_slots", parameters).fetchall()
    return int(row[0])


def take_slots(connection: Connection, batch_id: UUID, uses: Sequence[Use], now: datetime) -> int:
    """Take the first slots of a batch that this transaction registers, in this order."""
    statuses, text_storage_ids, file_upload_ids = map(list, zip(*uses, strict=True))
    return statements.execute(
        connection,
        "slot/take_slots",
        {
            "batch_id": batch_id,
            "positions": list(range(1, len(uses) + 1)),
            "statuses": statuses,
            "text_storage_ids": text_storage_ids,
            "file_upload_ids": file_upload_ids,
            "now": now,
        },
    ).rowcount


def list_taken(connection: Connection, batch_id: UUID) -> list[TakenSlot]:
    """The taken slots of a batch in their order."""
    rows = statements.execute(connection, "slot/list_taken", {"batch_id": batch_id}).fetchall()
    return [TakenSlot(*row) for row in rows]


def list_slots(connection: Connection, batch_id: UUID, owner: str) -> list[SlotView]:
    """The slots of the owner's batch in their order."""
    parameters = {"batch_id": batch_id, "owner": owner}
    rows = statements.execute(connection, "slot/list_slots", parameters).fetchall()
    return [SlotView(*row) for row in rows]
