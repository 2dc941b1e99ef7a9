"""Where a shard stands in the table: what is published is a set of visible rows.

    published(row)  =  seen by S,  or  (in a backlog) id <= cursor and seen by S'

What is persisted is the tight form of S: xmax is one above the highest xid of
any row of the shard ever published, and xip what of S lies below it. It selects
the same rows of the shard, and it says nothing about xids that no published row
proves to be used: after a fail-over those may be used anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from outbox_worker.position.row import EVENT_ID, ID, SHARD, XID, xid_of
from outbox_worker.position.snapshot import NOTHING, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

Row: TypeAlias = tuple[int, int, int, str, *tuple[Any, ...]]
"""A row of the table: id, xid, shard, event id as text, then what does not matter here."""


class Witness(NamedTuple):
    """A published row that must still stand in the table; the higher xid is the greater."""

    xid: int
    id: int
    digest: bytes

    @classmethod
    def of(cls, row: Row) -> Witness:
        """What is kept of a row: the first six bytes of its event id are enough to know it."""
        return cls(row[XID], row[ID], digest_of(row[EVENT_ID]))


def digest_of(event_id: str) -> bytes:
    """The first six bytes of an event id."""
    return bytes.fromhex(event_id.replace("-", "")[:12])


def system_digest(identifier: int) -> bytes:
    """Four bytes that tell one database cluster from another."""
    return hashlib.sha256(str(identifier).encode()).digest()[:4]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Rows up to `upper` are being published in id order; all up to `cursor` are."""

    upper: Snapshot
    cursor: int


@dataclass(frozen=True, slots=True)
class Position:
    """What is persisted for a shard. `top` has its highest xid, `last` its highest id."""

    system: bytes
    owner: str
    seen: Snapshot = NOTHING
    backlog: Backlog | None = None
    floor: int = 0
    top: Witness | None = None
    last: Witness | None = None
    ledger: int = 0
    """The write to the ledger of dead letters on which it rests; 0 where there was none."""

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        """The rows that must still stand in the table, mostly one."""
        return tuple(dict.fromkeys(each for each in (self.top, self.last) if each is not None))

    def published(self, xid: int, row_id: int) -> bool:
        """Whether a row of the shard is published at this position."""
        if self.seen.sees(xid):
            return True
        backlog = self.backlog
        return backlog is not None and row_id <= backlog.cursor and backlog.upper.sees(xid)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a batch leads: from `seen` to the border `upper`, or to the id `cut` before it."""

    seen: Snapshot
    upper: Snapshot
    cut: int | None
    floor: int


class Summary(NamedTuple):
    """Of one shard in a batch: the row with the highest xid, the row with the highest id."""

    top: Row
    last: Row


def summarize(rows: Sequence[Row]) -> dict[int, Summary]:
    """By shard, the rows that its witnesses come from; `rows` are in id order.

    This runs over every event: two passes without a step of Python in them.
    """
    last = {row[SHARD]: row for row in rows}
    top = {row[SHARD]: row for row in sorted(rows, key=xid_of)}
    return {shard: Summary(top[shard], row) for shard, row in last.items()}


def advance(before: Position, summary: Summary, place: Place) -> Position:
    """The position once the shard's rows of a batch are published.

    In a backlog S is written anew from the place in memory: an earlier backlog
    may have ended without a row of this shard, so that what is persisted still
    names it. Cursor and floor never pass the shard's own highest id: that row
    witnesses that the ids below it are used up, a row of another shard does not.
    """
    return proceed(before, Witness.of(summary.top), Witness.of(summary.last), place)


def proceed(before: Position, top: Witness, last: Witness, place: Place) -> Position:
    """As `advance`, with published rows as witnesses that may be those of other shards."""
    if before.top is not None and before.last is not None:
        top = max(before.top, top)
        last = max(before.last, last, key=itemgetter(1))
    if place.cut is None:
        seen, backlog = place.upper.tighten(top.xid), None
    else:
        known = before.top
        seen = NOTHING if known is None else place.seen.tighten(known.xid)
        backlog = Backlog(place.upper, min(place.cut, last.id))
    return replace(
        before, seen=seen, backlog=backlog, floor=min(place.floor, last.id), top=top, last=last
    )
