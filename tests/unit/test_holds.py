"""Events that cannot go out, among the shards of one worker: only their own shards wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from outbox_worker.relay import holds
from outbox_worker.relay.cohorts import Cohort, Cohorts, Stand
from outbox_worker.relay.reader import Batch
from outbox_worker.relay.snapshot import NOTHING, Snapshot
from outbox_worker.relay.topics import Closed, Topics
from outbox_worker.settings import LARGEST_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from outbox_worker.stores.outbox import EventRow

UPPER = Snapshot(1_000, 1_000)
NOW = 10.0**9
CHUNK = 6


class Table:
    """Rows of three shards in id order; `missing` has no topic, `huge` is larger than any event."""

    def __init__(self, missing: int = 0, huge: int = 0) -> None:
        self.rows: list[EventRow] = [
            (
                *(
                    number,
                    5,
                    number % 3,
                    f"{number:012x}",
                    "gone" if number == missing else "there",
                ),
                *("k", "type", "text/plain", "", None, b""),
                LARGEST_EVENT + 1 if number == huge else 1,
            )
            for number in range(1, 31)
        ]

    def closed(self, names: Iterable[str]) -> dict[str, Closed]:
        return {name: Closed("missing", "make it") for name in names if name == "gone"}

    def read(self, cohort: Cohort) -> Batch:
        """As `TableReader.read` does for a backlog."""
        most = min(cohort.rows or CHUNK, CHUNK)
        found = [
            row
            for row in self.rows
            if row[2] in cohort.stands and row[0] > cohort.stands[row[2]].cursor
        ][:most]
        if cohort.upper is None and cohort.stands[min(cohort.stands)].seen == UPPER:
            found = []
        cut = found[-1][0] if len(found) == most else None
        return Batch(cohort, found, UPPER, cut)


def flow(table: Table, steps: int = 60) -> tuple[list[int], Cohorts]:
    """Serve three shards for a while; the ids that went out, and where the shards are."""
    stands = {shard: Stand(NOTHING, 0, 0) for shard in range(3)}
    cohorts = Cohorts([Cohort(stands)])
    out: list[int] = []
    for _ in range(steps):
        cohort = cohorts.next(NOW)
        if cohort is None:
            break
        taken = holds.clear_way(cast("Topics", table), cohorts, cohort, table.read(cohort))
        if taken is None:
            continue
        cohort, batch = taken
        out += [row[0] for row in batch.rows]
        cohorts.moved(cohort, holds.grown_back(batch.after(0).flowing(), CHUNK))
    return out, cohorts


def check(table: Table, stuck: int) -> None:
    out, cohorts = flow(table)
    shard = stuck % 3
    assert sorted(out) == [n for n in range(1, 31) if n % 3 != shard or n < stuck]
    assert len(out) == len(set(out))
    assert cohorts.held == 1
    (held,) = [each for each in cohorts if each.holds]
    assert held.shards == {shard}
    assert held.rows == 1, "the look for it ends where it stands"


def test_a_missing_topic_in_a_backlog_holds_its_shard_and_no_other() -> None:
    for stuck in range(1, 31):
        check(Table(missing=stuck), stuck)


def test_an_event_too_large_for_any_topic_holds_its_shard_and_no_other() -> None:
    for stuck in range(1, 31):
        check(Table(huge=stuck), stuck)


def test_without_an_obstacle_all_goes_out_in_order() -> None:
    out, cohorts = flow(Table())
    assert out == list(range(1, 31))
    assert cohorts.held == 0
