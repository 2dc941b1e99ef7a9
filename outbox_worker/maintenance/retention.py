"""Retention of the domain: completed batches, what came too early, finished commands.

Never an open batch, nor a command that is not decided. Each transaction is short and
deletes only what it holds; what is in use is passed over, and asked for again at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from outbox_worker.maintenance.sweep import NO_PARTS, Step, after_claim, sweep, total
from outbox_worker.stores import retention
from outbox_worker.stores.retention import Parts, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.database import Connection
    from outbox_worker.maintenance.sweep import Progress, Swept

OPTIONS: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "lock_timeout": "200ms",
        "jit": "off",
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "default_transaction_isolation": "read\\ committed",
    }.items()
)
"""Every statement walks its index, also on tables that were never analysed; nobody queues
behind us for long, nor we behind somebody; and whatever the default of the database is, a
statement that follows a claim sees what others committed before it."""

CHUNK_BATCHES: Final = 100
CHUNK_SLOTS: Final = 2_000
"""What one transaction deletes. A command that meets one of these batches waits for it."""

CHUNK_EARLY: Final = 500
"""Each may take an advisory lock of its own: far below what the server's lock table holds."""

CHUNK_COMMANDS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Order:
    """What is too old: what finished before this moment; batches of these class types only."""

    before: datetime
    class_types: tuple[str, ...]

    @classmethod
    def of_days(cls, days: int, class_types: tuple[str, ...], now: datetime | None = None) -> Order:
        """Older than so many days, counted from now."""
        return cls((now or datetime.now(UTC)) - timedelta(days=days), class_types)


@dataclass(frozen=True, slots=True)
class Purged:
    """Counts of what went, or in a dry run would go: batches by class type, and their parts.

    `in_use`: by kind what is old and stays, because somebody holds it.
    """

    batches: dict[str, int]
    parts: Parts
    early_content: int
    early_failures: int
    commands: int
    in_use: dict[str, int] = field(default_factory=dict)


def run_once(
    connection: Connection, order: Order, progress: Progress, *, dry_run: bool = False
) -> Purged:
    """Remove what `order` says is old; a dry run counts it. Interruptible: run it again.

    Needs a connection with `OPTIONS`. What stays in use by others for about a minute is
    counted, and does not keep the rest.
    """
    if dry_run:
        return count(connection, order)
    before = order.before
    in_use: dict[str, int] = {}

    def swept(
        what: str, counted: Callable[..., int], step: Callable[..., Step], *about: str
    ) -> Swept:
        given = (connection, *about, before)
        done = sweep(connection, what, partial(counted, *given), partial(step, *given), progress)
        if done.in_use:
            in_use[what] = done.in_use
        return done

    done = {
        name: swept(f"{name} batches", retention.count_batches, _purge_batches, name)
        for name in order.class_types
    }
    early_content = swept("early texts", retention.count_early_content, _purge_early_content)
    early_failures = swept(
        "early failed files", retention.count_early_failures, _purge_early_failures
    )
    commands = swept("finished commands", retention.count_commands, _purge_commands)
    return Purged(
        {name: each.removed for name, each in done.items()},
        total(each.parts for each in done.values()),
        early_content.removed,
        early_failures.removed,
        commands.removed,
        in_use,
    )


def count(connection: Connection, order: Order) -> Purged:
    """What `run_once` would remove, by the same conditions."""
    before = order.before
    return Purged(
        {name: retention.count_batches(connection, name, before) for name in order.class_types},
        total(retention.count_parts(connection, name, before) for name in order.class_types),
        retention.count_early_content(connection, before),
        retention.count_early_failures(connection, before),
        retention.count_commands(connection, before),
    )


def _purge_batches(connection: Connection, class_type: str, before: datetime, at: datetime) -> Step:
    span = Span(at, before)
    claimed = retention.claim_batches(connection, class_type, span, CHUNK_BATCHES, CHUNK_SLOTS)
    held = [row.batch_id for row in claimed if row.held]
    if not held:
        return Step(0, after_claim(at, claimed, 0))
    # Children first: their foreign keys refuse another order.
    parts = Parts(
        slots=retention.delete_slots(connection, held),
        content=retention.delete_content(connection, held),
        failures=retention.delete_failures(connection, held),
        associations=retention.delete_associations(connection, held),
    )
    removed = retention.delete_batches(connection, class_type, held)
    return Step(removed, after_claim(at, claimed, removed), parts)


def _purge_early_content(connection: Connection, before: datetime, at: datetime) -> Step:
    claimed = retention.claim_early_content(connection, Span(at, before), CHUNK_EARLY)
    held = [row for row in claimed if row.held]
    removed = retention.delete_early_content(connection, held, before)
    return Step(removed, after_claim(at, claimed, removed))


def _purge_early_failures(connection: Connection, before: datetime, at: datetime) -> Step:
    claimed = retention.claim_early_failures(connection, Span(at, before), CHUNK_EARLY)
    held = [row for row in claimed if row.held]
    removed = retention.delete_early_failures(connection, held, before)
    return Step(removed, after_claim(at, claimed, removed))


def _purge_commands(connection: Connection, before: datetime, at: datetime) -> Step:
    removed, newest = retention.delete_commands(connection, Span(at, before), CHUNK_COMMANDS)
    return Step(removed, newest, NO_PARTS)
