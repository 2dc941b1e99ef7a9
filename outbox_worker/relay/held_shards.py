"""What is logged of shards that wait: one line for all that wait for the same remedy.

A topic that is missing holds up to 16 shards, each a few milliseconds after the other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from outbox_worker.relay.cohorts import Cohort, HeldEvent

FIRST_S: Final = 0.25
"""How long the first line waits for further shards; what is over by then is not worth a line."""

MORE_S: Final = 5.0
"""Seconds from one line to the next if shards came to those that it named."""

AGAIN_S: Final = 30.0
"""Seconds from one line to the next if none came."""

log = structlog.get_logger("relay")


@dataclass(slots=True)
class _Line:
    since: float
    at: float = 0.0
    shards: frozenset[int] = field(default_factory=frozenset)

    def is_due(self, shards: frozenset[int], now: float) -> bool:
        if not self.shards:
            return now - self.since >= FIRST_S
        return now - self.at >= (AGAIN_S if shards <= self.shards else MORE_S)


class HeldShards:
    """Which lines were logged of the shards that wait now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of none; `clock` counts seconds."""
        self._clock = clock
        self._lines: dict[tuple[str, str], _Line] = {}

    def look(self, cohorts: Iterable[Cohort]) -> None:
        """Log `shard_held` for each remedy for which a line is due; to be called often."""
        found: dict[tuple[str, str], dict[int, HeldEvent]] = {}
        for cohort in cohorts:
            if cohort.hold is not None:
                waiting = found.setdefault((cohort.hold.topic, cohort.hold.hint), {})
                waiting.update(dict.fromkeys(cohort.stands, cohort.hold))
        now = self._clock()
        self._lines = {remedy: self._lines.get(remedy) or _Line(now) for remedy in found}
        for remedy, waiting in found.items():
            shards = frozenset(waiting)
            if self._lines[remedy].is_due(shards, now):
                self._lines[remedy] = _Line(now, now, shards)
                _say(waiting)


def _say(waiting: Mapping[int, HeldEvent]) -> None:
    """The line; of the events it names the oldest."""
    shard = min(waiting, key=lambda shard: waiting[shard].id)
    oldest = waiting[shard]
    log.error(
        "shard_held",
        shards=sorted(waiting),
        shard=shard,
        id=oldest.id,
        event_id=oldest.event_id,
        topic=oldest.topic,
        reason=oldest.reason,
        hint=oldest.hint,
    )
