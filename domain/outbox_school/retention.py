"""Retention of the school: completed batches, and what came too early for one.

Never an open batch. Each transaction is short and deletes only what it holds; what is in use is
passed over.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from outbox_school.stores import retention
from outbox_school.stores.retention import ClaimedBatch
from outbox_worker.application import Retention, Step, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from outbox_school.stores.retention import ClaimedEarly, Parts
    from outbox_worker.application import Session, Span

CLASS_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "guest": ("GUEST",),
    "regular": ("REGULAR",),
    "all": ("GUEST", "REGULAR"),
}
"""By the value of `--class-type`, the class types."""

CHUNK_BATCHES: Final = 100
CHUNK_SLOTS: Final = 2_000
"""What one transaction deletes. A command that meets one of these batches waits for it."""

CHUNK_EARLY: Final = 500
"""Each may take an advisory lock of its own: far below what the server's lock table holds."""

PARTS: Final = ("slots", "texts", "failed files", "associations")
"""What goes with batches, in the order of `Parts`."""


def sweeps(class_types: Sequence[str]) -> tuple[Sweep, ...]:
    """What is removed, of batches those of these class types."""
    return (
        *(
            Sweep(
                f"{name} batches",
                partial(_count_batches, name),
                partial(_purge_batches, name),
                PARTS,
                partial(_count_parts, name),
            )
            for name in class_types
        ),
        Sweep("early texts", retention.count_early_content, _purge_early_content),
        Sweep("early failed files", retention.count_early_failures, _purge_early_failures),
    )


def _count_batches(class_type: str, connection: Session, before: datetime) -> int:
    return retention.count_batches(connection, class_type, before)


def _count_parts(class_type: str, connection: Session, before: datetime) -> dict[str, int]:
    return _named(retention.count_parts(connection, class_type, before))


def _named(parts: Parts) -> dict[str, int]:
    return dict(zip(PARTS, parts, strict=True))


def _purge_batches(class_type: str, connection: Session, span: Span) -> Step:
    claimed = retention.claim_batches(connection, class_type, span, CHUNK_BATCHES, CHUNK_SLOTS)
    held = [row.batch_id for row in claimed if row.held]
    if not held:
        return Step(0, _after(span, claimed, 0))
    # Children first: their foreign keys refuse another order.
    parts = retention.Parts(
        slots=retention.delete_slots(connection, held),
        content=retention.delete_content(connection, held),
        failures=retention.delete_failures(connection, held),
        associations=retention.delete_associations(connection, held),
    )
    removed = retention.delete_batches(connection, class_type, held)
    return Step(removed, _after(span, claimed, removed), _named(parts))


def _purge_early_content(connection: Session, span: Span) -> Step:
    claimed = retention.claim_early_content(connection, span, CHUNK_EARLY)
    held = [row for row in claimed if row.held]
    removed = retention.delete_early_content(connection, held, span.before)
    return Step(removed, _after(span, claimed, removed))


def _purge_early_failures(connection: Session, span: Span) -> Step:
    claimed = retention.claim_early_failures(connection, span, CHUNK_EARLY)
    held = [row for row in claimed if row.held]
    removed = retention.delete_early_failures(connection, held, span.before)
    return Step(removed, _after(span, claimed, removed))


def _after(
    span: Span, claimed: Sequence[ClaimedBatch] | Sequence[ClaimedEarly], removed: int
) -> datetime | None:
    """Where the next claim begins: at the newest row of this one, unless it led nowhere."""
    if not claimed:
        return None
    last = claimed[-1]
    newest = last.completed_at if isinstance(last, ClaimedBatch) else last.arrived_at
    return newest if removed or newest > span.after else None


RETENTION: Final = Retention(
    lambda chosen: sweeps(CLASS_TYPES[chosen]),
    "class-type",
    tuple(CLASS_TYPES),
    "guest",
    help="remove completed batches of this class type",
)
