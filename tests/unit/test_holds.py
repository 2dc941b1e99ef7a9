"""Events that cannot go out, among the shards of one worker: only their own shards wait."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.relay import holds
from outbox_worker.relay.batch_size import BatchSize
from outbox_worker.relay.cohorts import Cohort, Cohorts, Run, Stand
from outbox_worker.relay.creation import Closed
from outbox_worker.relay.outcome import Rejected
from outbox_worker.relay.reader import Batch
from outbox_worker.settings import LARGEST_EVENT
from outbox_worker.stores.outbox import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from outbox_worker.position.row import EventRow
    from outbox_worker.relay.topics import Topics

UPPER = Snapshot(1_000, 1_000)
NOW = 10.0**9
CHUNK = 6


class Table:
    """Rows of three shards in id order; `missing` has no topic, `huge` is larger than any event."""

    def __init__(self, missing: int = 0, huge: int = 0, refused: int = 0) -> None:
        self.size = BatchSize(Limits(CHUNK, 10**9))
        self.refused = refused
        self.sent: Counter[int] = Counter()
        self.rows: list[EventRow] = [
            (
                *(
                    number,
                    5,
                    number % 3,
                    f"{number:012x}",
                    "gone" if number == missing else "there",
                ),
                *("k", "type", "text/plain", "", None, b"%d" % number),
                *(LARGEST_EVENT + 1 if number == huge else 1, "w"),
            )
            for number in range(1, 31)
        ]

    def closed(self, names: Iterable[str]) -> dict[str, Closed]:
        return {name: Closed("missing", "make it") for name in names if name == "gone"}

    def leaderless(self, _rows: Iterable[EventRow]) -> dict[int, Closed]:
        return {}

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

    def send(self, rows: list[EventRow], names: Callable[[int], bool]) -> Rejected | None:
        """As `Transactions` does: all or none; the refusal names these of its records."""
        if self.refused not in {row[0] for row in rows}:
            return None
        self.sent.update(row[0] for row in rows)
        records = {(row[4], b"k", row[10]) for row in rows if names(row[0])}
        return Rejected("refused", 1, frozenset({"there"}), frozenset(records))


def never(_row: EventRow, _why: Closed) -> bool:
    """Nothing is parked here."""
    return False


def flow(
    table: Table, steps: int = 60, names: Callable[[int], bool] = bool
) -> tuple[list[int], Cohorts]:
    """Serve three shards for a while; the ids that went out, and where the shards are."""
    stands = {shard: Stand(NOTHING, 0, 0) for shard in range(3)}
    cohorts = Cohorts([Cohort(stands)])
    out: list[int] = []
    for _ in range(steps):
        cohort = cohorts.next(NOW)
        if cohort is None:
            break
        topics = cast("Topics", table)
        batch = holds.clear_way(topics, table.size, cohorts, table.read(cohort), never)
        if batch is None:
            continue
        if refusal := table.send(batch.rows, names):
            holds.isolate(cohorts, batch, refusal, never)
            continue
        out += [row[0] for row in batch.rows]
        cohorts.moved(
            batch.cohort, holds.grown_back(batch.after(0).flowing(), len(batch.rows), CHUNK)
        )
    return out, cohorts


def check(table: Table, stuck: int, names: Callable[[int], bool] = bool) -> None:
    out, cohorts = flow(table, names=names)
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


@pytest.mark.parametrize("stuck", range(1, 31))
def test_a_refused_record_holds_its_shard_and_no_other(stuck: int) -> None:
    by_name, by_partition, by_topic = (Table(refused=stuck) for _ in range(3))
    check(by_name, stuck, lambda number: number == stuck)
    others = [count for number, count in by_name.sent.items() if number != stuck]
    assert max(others, default=1) == 1, "where Kafka names the record, no other is sent again"
    check(by_partition, stuck, lambda number: number % 2 == stuck % 2)
    others = [count for number, count in by_partition.sent.items() if number % 2 != stuck % 2]
    assert max(others, default=1) == 1, "what nobody doubts is not sent again"
    check(by_topic, stuck)


def test_records_on_trial_go_out_in_growing_numbers_and_then_as_any_other() -> None:
    table = Table(refused=7)
    stands = {shard: Stand(NOTHING, 0, 0) for shard in range(3)}
    cohorts = Cohorts([Cohort(stands, rows=30)])
    (cohort,) = cohorts
    batch = Batch(cohort, table.rows, UPPER, None)
    refusal = table.send(batch.rows, lambda number: number > 3)
    assert refusal is not None
    holds.isolate(cohorts, batch, refusal, never)
    trial = next(each for each in cohorts if each.shards == {2})
    sizes = []
    while trial.rows is not None:
        sizes.append(trial.rows)
        trial = holds.grown_back(replace(trial, upper=UPPER), trial.rows, 100)
    assert sizes == [1, 1, 2, 4, 2]
    assert not trial.runs


def test_what_a_topic_may_refuse_goes_apart_from_the_rest_while_it_holds_a_shard() -> None:
    table = Table()
    for row in (10, 11):
        table.rows[row] = (*table.rows[row][:4], "picky", *table.rows[row][5:])
    waits = Cohort({9: Stand(NOTHING, 0, 0)}, held_until=NOW * 2, holds=1, refused_by="picky")
    cohort = Cohort({shard: Stand(NOTHING, 0, 0) for shard in range(3)})
    cohorts = Cohorts([waits, cohort])
    batch = Batch(cohort, table.rows[:12], UPPER, 12)
    rest = holds.clear_way(cast("Topics", table), table.size, cohorts, batch, never)
    assert rest is not None
    assert rest.cohort.shards == {1}
    assert {row[2] for row in rest.rows} == {1}
    trials = {frozenset(each.shards): each.runs for each in cohorts if each.runs}
    assert trials == {
        frozenset({0}): (Run(3, doubted=False), Run(1, doubted=True)),
        frozenset({2}): (Run(3, doubted=False), Run(1, doubted=True)),
    }
    assert not waits.flowing().refused_by
