"""Retention of the domain: completed batches, what came too early, finished commands.

Never an open batch, nor a command that is not decided. Each transaction is short and
deletes only what it holds; what is in use is passed over, and asked for again at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from outbox_worker.purge.sweep import NO_PARTS, Step, after_claim, sweep, total
from outbox_worker.stores import retention
from outbox_worker.stores.retention import Parts, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outbox_worker.purge.sweep import Progress
    from outbox_worker.stores import Connection

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "200ms",
    "jit": "off",
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""Every statement walks its index, also on tables that were never analysed; nobody queues
behind us for long, nor we behind somebody. As in all our sessions a statement that follows a
claim sees what others committed before it."""

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


@dataclass(slots=True)
class Purged:
    """Counts of what went so far, or in a dry run would go: batches by class type, their parts.

    `in_use`: by kind what is old and stays, because somebody holds it.
    """

    batches: dict[str, int] = field(default_factory=dict)
    parts: Parts = NO_PARTS
    early_content: int = 0
    early_failures: int = 0
    commands: int = 0
    in_use: dict[str, int] = field(default_factory=dict)

    def add_batches(self, class_type: str, step: Step) -> None:
        """These are gone, with their parts."""
        self.batches[class_type] += step.removed
        self.parts = total((self.parts, step.parts))

    def add_early_content(self, step: Step) -> None:
        """These are gone."""
        self.early_content += step.removed

    def add_early_failures(self, step: Step) -> None:
        """These are gone."""
        self.early_failures += step.removed

    def add_commands(self, step: Step) -> None:
        """These are gone."""
        self.commands += step.removed


def run_once(
    connection: Connection,
    order: Order,
    progress: Progress,
    *,
    dry_run: bool = False,
    done: Purged | None = None,
) -> Purged:
    """Remove what `order` says is old; a dry run counts it. Interruptible: run it again.

    Needs a connection with `OPTIONS`. What stays in use by others for about a minute is
    counted, and does not keep the rest. The counts grow in `done`, if that is given: they
    are right also where this raises.
    """
    if dry_run:
        return count(connection, order)
    done = Purged() if done is None else done
    done.batches.update(dict.fromkeys(order.class_types, 0))

    def swept(
        what: str,
        counted: Callable[..., int],
        step: Callable[..., Step],
        told: Callable[[Step], None],
        *about: str,
    ) -> None:
        given = (connection, *about, order.before)
        left = partial(counted, *given)
        in_use = sweep(connection, what, left, partial(step, *given), progress, told)
        if in_use:
            done.in_use[what] = in_use

    for name in order.class_types:
        told = partial(done.add_batches, name)
        swept(f"{name} batches", retention.count_batches, _purge_batches, told, name)
    swept(
        "early texts", retention.count_early_content, _purge_early_content, done.add_early_content
    )
    swept(
        "early failed files",
        retention.count_early_failures,
        _purge_early_failures,
        done.add_early_failures,
    )
    swept("finished commands", retention.count_commands, _purge_commands, done.add_commands)
    return done


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
