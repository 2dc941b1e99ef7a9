"""Compares the committed rows of the table with the records that a subscriber read."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tests.harness.subscriber import Received

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `outbox.event`, as far as a subscriber can see it."""

    id: int
    event_id: str
    shard: int
    topic: str
    key: str | None
    payload: bytes | None
    xid: int
    horizon: int
    """Every transaction below it had ended when the row was written."""


@dataclass(frozen=True, slots=True)
class Differences:
    """Events that were not delivered once, unchanged and in order."""

    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    invented: tuple[str, ...]
    changed: tuple[str, ...]
    out_of_order: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether every promise was kept."""
        return not (
            self.lost or self.duplicated or self.invented or self.changed or self.out_of_order
        )

    @override
    def __str__(self) -> str:
        faults = {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "rolled back or never written, but read": self.invented,
            "changed on the way": self.changed,
            "out of order": self.out_of_order,
        }
        return "; ".join(
            f"{name}: {len(found)}, for example {list(found[:SHOWN])}"
            for name, found in faults.items()
            if found
        )


def compare(
    rows: Mapping[str, Row],
    received: Sequence[Received],
    excused: Collection[str] = (),
    *,
    serial: bool = True,
) -> Differences:
    """Compare `rows` by event id (the truth) with all that was read.

    `excused` are ids that the table lost after they were published (a fail-over
    that lost history): they may have been read, and do not count in the order.
    `serial`: transactions that wrote one key held its lock, so that ids are its order;
    else only what was surely written after another has to come after it.
    """
    follows = _is_before if serial else _may_be_before
    known = [record for record in received if record.event_id in rows]
    times = Counter(record.event_id for record in known)
    others = {record.event_id for record in received} - rows.keys()
    return Differences(
        lost=tuple(sorted(rows.keys() - times.keys())),
        duplicated=tuple(event_id for event_id, count in times.items() if count > 1),
        invented=tuple(sorted(others - set(excused))),
        changed=tuple(each.event_id for each in known if not _same(rows[each.event_id], each)),
        out_of_order=tuple(_out_of_order(rows, known, follows)),
    )


def _same(row: Row, record: Received) -> bool:
    return (row.topic, row.key, row.payload) == (record.topic, record.key, record.value)


def _out_of_order(
    rows: Mapping[str, Row], known: Sequence[Received], follows: Callable[[Row, Row], bool]
) -> list[str]:
    """Keys whose events do not follow each other in a partition, or that sit in two of them."""
    by_key: defaultdict[tuple[str, str], list[Received]] = defaultdict(list)
    for record in known:
        if record.key is not None:
            by_key[record.topic, record.key].append(record)
    faults = []
    for (topic, key), records in by_key.items():
        if len({record.partition for record in records}) > 1:
            faults.append(f"{topic}/{key}: in several partitions")
        records.sort(key=lambda record: record.offset)
        for one, other in pairwise(records):
            if not follows(rows[one.event_id], rows[other.event_id]):
                faults.append(f"{topic}/{key}: {one} before {other}")
    return faults


def _is_before(one: Row, other: Row) -> bool:
    """Whether both the id and the counter in the payload, where both have one, rise."""
    sooner, later = _counter(one), _counter(other)
    return one.id < other.id and (sooner is None or later is None or sooner < later)


def _may_be_before(one: Row, other: Row) -> bool:
    """Whether the other was not surely written first: in the same transaction, or before it."""
    return one.id < other.id if one.xid == other.xid else other.xid >= one.horizon


def _counter(row: Row) -> int | None:
    """What the writer counted under the row lock."""
    if row.payload is None or not row.payload.startswith(b'{"'):
        return None
    counter = json.loads(row.payload).get("n")
    return None if counter is None else int(counter)


def longest_gaps(
    rows: Mapping[str, Row],
    received: Sequence[Received],
    since: float,
    until: float,
    lost: Callable[[float, float], float] = lambda _since, _until: 0.0,
) -> dict[int, float]:
    """By shard, the longest time without an event at the subscriber, in seconds.

    Counted between `since` and `until` (monotonic), of a workload that writes to
    every shard all the time. What the machine has `lost` between two events is none of it.
    """
    times: defaultdict[int, list[float]] = defaultdict(lambda: [since, until])
    for record in received:
        if record.event_id in rows and since <= record.at <= until:
            times[rows[record.event_id].shard].append(record.at)
    return {
        shard: max(b - a - lost(a, b) for a, b in pairwise(sorted(found)))
        for shard, found in times.items()
    }
