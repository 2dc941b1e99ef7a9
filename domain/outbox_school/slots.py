"""Who gets a slot: the lowest free one, and exactly none where every slot is taken.

Expects a snapshot for each statement (READ COMMITTED): every look comes after a wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

import psycopg

from outbox_school.stores import batch, slot
from outbox_school.stores.slot import Claim

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_school.stores.slot import Use
    from outbox_worker.application import Context

LEVEL: Final = "read committed"


class IsolationLevelError(Exception):
    """The transaction does not look again after a wait, so that a text could be lost."""

    def __init__(self, level: str) -> None:
        """Name the level that it has."""
        super().__init__(
            f"The transaction is {level.upper()}, and batches need READ COMMITTED: begin it so, or "
            "leave isolation_level of the connection and default_transaction_isolation as they are"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A slot is ours. `spare` says that it is surely not the last one."""

    essay_id: UUID
    spare: bool


class Missed(Enum):
    """Why there is no slot: all are taken for ever, or there is no such batch yet."""

    FULL = "full"
    UNREGISTERED = "unregistered"


SlotOutcome: TypeAlias = Taken | Missed


def take(context: Context, batch_id: UUID, use: Use) -> SlotOutcome:
    """Take the lowest free slot of a batch for `use`.

    Waits for those who hold the free slots, and for a registration or a purge that is on its
    way. `UNREGISTERED` holds until the transaction ends: whoever registers the batch
    comes after it and sees what it wrote.
    """
    outcome = _look(context, batch_id, use)
    if isinstance(outcome, Missed):
        checked(batch.lock_arrival(context.connection, batch_id))
        outcome = _look(context, batch_id, use)
    return outcome


def _look(context: Context, batch_id: UUID, use: Use) -> SlotOutcome:
    claim = _claim(context, batch_id, use)
    if claim.essay_id is not None:
        return Taken(claim.essay_id, claim.spare)
    if not claim.registered:
        return Missed.UNREGISTERED
    return _wait(context, batch_id, use)


# Who waits holds nothing that others wait for. A slot that is taken while a statement looks at
# it stays locked by that statement, though it is not returned; so a claim or a wait that comes
# to nothing is rolled back. Otherwise the holder of a slot, who waits for all others before he
# completes the batch, would wait for one who waits for him.


def _claim(context: Context, batch_id: UUID, use: Use) -> Claim:
    claim = Claim(None, spare=False, registered=False)
    with context.connection.transaction() as attempt:
        claim = slot.claim_slot(context.connection, batch_id, use, context.now)
        if claim.essay_id is None:
            raise psycopg.Rollback(attempt)
    return claim


def _wait(context: Context, batch_id: UUID, use: Use) -> SlotOutcome:
    """Wait for the holders of the free slots, one after the other, until one gives his back."""
    connection = context.connection
    while (position := slot.find_free_slot(connection, batch_id)) is not None:
        essay_id = None
        with connection.transaction() as attempt:
            essay_id = slot.wait_for_slot(connection, batch_id, position, use, context.now)
            if essay_id is None:
                raise psycopg.Rollback(attempt)
        if essay_id is not None:
            return Taken(essay_id, spare=False)
    return Missed.FULL


def checked(level: str) -> None:
    """Refuse every isolation level but the one that these rules rest on."""
    if level != LEVEL:
        raise IsolationLevelError(level)
