"""Shards that can be read together, and who is read next.

Pure bookkeeping in memory: all of it is derived from positions and may be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from outbox_worker.position.snapshot import Snapshot


class Stand(NamedTuple):
    """Where a shard stands in memory: `seen` is published, in a backlog also up to `cursor`.

    Up to `floor` every writer has ended by `seen`: nothing can appear there any more.
    """

    seen: Snapshot
    floor: int
    cursor: int


class Run(NamedTuple):
    """Rows of one shard in id order that may share a transaction, `doubted` or not."""

    rows: int
    doubted: bool


class HeldEvent(NamedTuple):
    """An event that cannot go out now, why, and what a person can do about it."""

    id: int
    event_id: str
    topic: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """Shards read by one query: the tail, or with `upper` a backlog that ends at that border.

    `rows` bounds its next batch below the setting. `runs` are of a shard whose records are on
    trial: what of a refused batch is still to come. `held_until` (monotonic seconds) and
    `holds` are of a shard that waits for its topic or for a fix; `hold` is the event, and
    `refused_by` the topic whose refusal it was.
    """

    stands: Mapping[int, Stand]
    upper: Snapshot | None = None
    rows: int | None = None
    runs: tuple[Run, ...] = ()
    held_until: float = 0.0
    holds: int = 0
    hold: HeldEvent | None = None
    refused_by: str = ""

    @property
    def shards(self) -> frozenset[int]:
        """Which shards these are."""
        return frozenset(self.stands)

    def only(self, shards: Iterable[int]) -> Cohort:
        """The part of it that `shards` are."""
        return replace(self, stands={s: self.stands[s] for s in shards if s in self.stands})

    def without(self, shards: Iterable[int]) -> Cohort:
        """The part of it that `shards` are not."""
        return self.only(self.stands.keys() - set(shards))

    def caught_up(self, seen: Snapshot, floor: int) -> Cohort:
        """All of it at the border `seen`: a floor holds at every later border, for all shards."""
        highest = max(floor, *(stand.floor for stand in self.stands.values()))
        stand = Stand(seen, highest, highest)
        return replace(self, stands=dict.fromkeys(self.stands, stand), upper=None)

    def moved_to(self, upper: Snapshot, cursor: int) -> Cohort:
        """The backlog up to `upper` done to the id `cursor`, where it was not further already."""
        stands = {
            shard: stand._replace(cursor=max(stand.cursor, cursor))
            for shard, stand in self.stands.items()
        }
        return replace(self, stands=stands, upper=upper)

    def flowing(self) -> Cohort:
        """It no longer waits."""
        return replace(self, held_until=0.0, holds=0, hold=None, refused_by="")

    def joins(self, other: Cohort) -> bool:
        """Whether both can be read by one query from now on."""
        return (
            self.upper == other.upper
            and self.rows is None
            and other.rows is None
            and not self.holds
            and not other.holds
        )


class Cohorts:
    """The cohorts of one worker, least recently served first."""

    def __init__(self, queue: Iterable[Cohort] = ()) -> None:
        """Begin with `queue`, in this order."""
        self._queue = list(queue)

    def __iter__(self) -> Iterator[Cohort]:
        return iter(tuple(self._queue))

    def copy(self) -> Cohorts:
        """The same cohorts, to be moved on before it is certain that they may."""
        return Cohorts(self._queue)

    @property
    def held(self) -> int:
        """How many shards wait for a topic or a person."""
        return sum(len(cohort.stands) for cohort in self._queue if cohort.holds)

    @property
    def refusing(self) -> frozenset[str]:
        """The topics for whose refusal of a record a shard waits."""
        return frozenset(cohort.refused_by for cohort in self._queue if cohort.refused_by)

    def seen(self, shard: int) -> Snapshot | None:
        """Up to which snapshot a shard is done; None in a backlog, or where it is not served."""
        cohort = next((each for each in self._queue if shard in each.stands), None)
        return None if cohort is None or cohort.upper is not None else cohort.stands[shard].seen

    def next(self, now: float) -> Cohort | None:
        """The one to serve: the least recently served that is not held."""
        return next((each for each in self._queue if each.held_until <= now), None)

    def hurry(self) -> None:
        """Let what is held be served at once: what it waited for may be there."""
        self._queue = [
            replace(each, held_until=0.0) if each.held_until else each for each in self._queue
        ]

    def behind(self, now: float) -> bool:
        """Whether one that can be served has a backlog."""
        return any(each.upper is not None and each.held_until <= now for each in self._queue)

    def add(self, cohort: Cohort) -> None:
        """Put it behind the others, as a part of one that it can be read with."""
        if not cohort.stands:
            return
        twin = next((each for each in self._queue if each.joins(cohort)), None)
        if twin is not None:
            self._queue.remove(twin)
            cohort = replace(cohort, stands={**twin.stands, **cohort.stands})
        self._queue.append(cohort)

    def moved(self, before: Cohort, after: Cohort) -> None:
        """Put `after` in the place of `before`, behind the others."""
        self._queue.remove(before)
        self.add(after)

    def part(self, before: Cohort, *after: Cohort) -> None:
        """Put parts of a cohort in its place, each by itself, behind the others."""
        self._queue.remove(before)
        self._queue.extend(each for each in after if each.stands)

    def drop(self, shards: Iterable[int]) -> None:
        """Forget shards that are no longer ours."""
        gone = frozenset(shards)
        kept = [each.without(gone) for each in self._queue]
        self._queue = [each for each in kept if each.stands]
