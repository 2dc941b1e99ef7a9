"""Retention of what is finished: commands, and what the application says of its own tables.

Each transaction is short and deletes only what it holds; what is in use is passed over, and asked
for again at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from outbox_worker.application import Step, Sweep
from outbox_worker.purge.sweep import sweep
from outbox_worker.stores import finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.application import Span
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

CHUNK_COMMANDS: Final = 2_000


def _purge_commands(connection: Connection, span: Span) -> Step:
    removed, newest = finished.delete_commands(connection, *span, CHUNK_COMMANDS)
    return Step(removed, newest)


COMMANDS: Final = Sweep("finished commands", finished.count_commands, _purge_commands)
"""Never a command that is not decided: it has no time of finishing."""


@dataclass(frozen=True, slots=True)
class FinishedCutoff:
    """What is too old: what finished before this moment, of these kinds and of commands."""

    before: datetime
    sweeps: tuple[Sweep, ...] = ()

    @classmethod
    def of_days(
        cls, days: int, sweeps: tuple[Sweep, ...] = (), now: datetime | None = None
    ) -> FinishedCutoff:
        """Older than so many days, counted from now."""
        return cls((now or datetime.now(UTC)) - timedelta(days=days), sweeps)

    @property
    def all_sweeps(self) -> tuple[Sweep, ...]:
        """The kinds in the order in which they are removed."""
        return (*self.sweeps, COMMANDS)


@dataclass(slots=True)
class Purged:
    """Counts by kind of what went so far, or in a dry run would go.

    `in_use`: what is old and stays, because somebody holds it.
    """

    rows: dict[str, int] = field(default_factory=dict)
    in_use: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, step: Step) -> None:
        """These are gone, with their parts."""
        for name, rows in {what: step.removed, **step.parts}.items():
            self.rows[name] = self.rows.get(name, 0) + rows


def run_once(
    connection: Connection,
    cutoff: FinishedCutoff,
    progress: Progress,
    *,
    dry_run: bool = False,
    done: Purged | None = None,
) -> Purged:
    """Remove what `cutoff` says is old; a dry run counts it. Interruptible: run it again.

    Needs a connection with `OPTIONS`. What stays in use by others for about a minute is
    counted, and does not keep the rest. The counts grow in `done`, if that is given: they
    are right also where this raises.
    """
    if dry_run:
        return count(connection, cutoff)
    done = Purged() if done is None else done
    for each in cutoff.all_sweeps:
        done.add(each.what, Step(0, None, dict.fromkeys(each.parts, 0)))
    for each in cutoff.all_sweeps:
        told = partial(done.add, each.what)
        if in_use := sweep(connection, each, cutoff.before, progress, told):
            done.in_use[each.what] = in_use
    return done


def count(connection: Connection, cutoff: FinishedCutoff) -> Purged:
    """What `run_once` would remove, by the same conditions."""
    found = Purged()
    for each in cutoff.all_sweeps:
        parts = each.count_parts(connection, cutoff.before)
        found.add(each.what, Step(each.left(connection, cutoff.before), None, parts))
    return found
