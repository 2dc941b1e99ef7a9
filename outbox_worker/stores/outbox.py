"""Statements over the events: what the relay reads, in its hot path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outbox_worker.position.row import ID, EventRow, size_of
from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.settings import LARGEST_EVENT, SHARDS
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from outbox_worker.stores import Connection

WINDOW: Final = 500_000
"""Ids that one statement looks at: where a transaction stays open for days, what others published
meanwhile lies between a floor and its next row, and a look at all of it would never end in time.
A second's work."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one batch may hold: rows, and bytes of payload and headers."""

    rows: int
    bytes: int

    def exceeded_by(self, rows: Sequence[EventRow]) -> bool:
        """Whether these are more than one batch."""
        return len(rows) > self.rows or sum(map(size_of, rows)) > self.bytes

    def reached_by(self, rows: Sequence[EventRow]) -> bool:
        """Whether a read that brought these may have left more behind."""
        return len(rows) >= self.rows or sum(map(size_of, rows)) > self.bytes

    def within(self, rows: list[EventRow]) -> list[EventRow]:
        """`rows` without the last, where that one made them too large and is not alone."""
        return rows[:-1] if len(rows) > 1 and self.exceeded_by(rows) else rows

    def without(self, rows: Sequence[EventRow]) -> Limits:
        """What they leave for others."""
        return Limits(max(0, self.rows - len(rows)), self.bytes - sum(map(size_of, rows)))


def read_tail(
    connection: Connection, seen: Mapping[int, Snapshot], limits: Limits
) -> tuple[Snapshot, list[EventRow]]:
    """What the shards of `seen` have not seen yet, and the snapshot of the statement.

    In no order; one row too many where that is more than a batch.
    """
    xmax = min(snapshot.xmax for snapshot in seen.values())
    xip = {xid for snapshot in set(seen.values()) for xid in snapshot.xip if xid < xmax}
    rows = _fetch(
        connection,
        "outbox/read_tail",
        {
            "seen": _by_shard(seen, NOTHING),
            "xmax": str(xmax),
            "xip": _array(sorted(xip)),
            "shards": sorted(seen),
            "rows": limits.rows + 1,
            "bytes": limits.bytes,
            "largest": LARGEST_EVENT,
        },
    )
    # The row with id 0 comes first: Append keeps the order of its parts.
    return Snapshot.parse(rows[0][4]), rows[1:]


def read_chunk(
    connection: Connection,
    seen: Mapping[int, Snapshot],
    cursors: Mapping[int, int],
    upper: Snapshot,
    limits: Limits,
) -> tuple[list[EventRow], int | None]:
    """The next rows of a backlog in id order, and the id they lead to: None at its end.

    A row larger than `limits` comes alone.
    So few of so many ids that they are not found within `WINDOW` may be none.
    """
    last = min(cursors.values()) + WINDOW
    rows = _fetch(
        connection,
        "outbox/read_chunk",
        {
            "seen": _by_shard(seen, NOTHING),
            "cursors": _by_shard(cursors, 0),
            "least": min(cursors.values()),
            "last": last,
            "upper": str(upper),
            "shards": sorted(seen),
            "rows": limits.rows,
            "bytes": limits.bytes,
            "largest": LARGEST_EVENT,
        },
    )
    if limits.reached_by(rows):
        rows = limits.within(rows)
        return rows, rows[-1][ID]
    return rows, None if highest_id(connection) <= last else last


def highest_id(connection: Connection) -> int:
    """The highest id of a committed event, 0 without any."""
    ((highest,),) = _fetch(connection, "outbox/highest_id", {})
    return int(highest)


@dataclass(frozen=True, slots=True)
class Gap:
    """Where stragglers stand: not `seen`, in progress at `upper`, ended by `fresh`."""

    seen: Snapshot
    upper: Snapshot
    fresh: Snapshot
    floor: int
    cursor: int


def read_stragglers(connection: Connection, shard: int, gap: Gap, rows: int) -> list[EventRow]:
    """Rows of `shard` between floor and cursor of `gap`, in id order, at most `rows`."""
    return _fetch(
        connection,
        "outbox/read_stragglers",
        {
            "xmax": str(gap.upper.xmax),
            "xip": _array(gap.upper.xip),
            "seen": str(gap.seen),
            "fresh": str(gap.fresh),
            "floor": gap.floor,
            "cursor": gap.cursor,
            "shard": shard,
            "rows": rows,
            "largest": LARGEST_EVENT,
        },
    )


def find_witness(connection: Connection, ids: list[int]) -> list[tuple[int, int, str]]:
    """Id, xid and event id of those of `ids` that stand in the table."""
    return _fetch(connection, "outbox/find_witness", {"ids": ids})


def _array(values: Iterable[object]) -> str:
    """An array of numbers as Postgres reads it."""
    return f"{{{','.join(map(str, values))}}}"


def _by_shard(values: Mapping[int, object], rest: object) -> str:
    """An array that is indexed by shard; snapshots hold commas, so each stands in quotes."""
    return "{" + ",".join(f'"{values.get(shard, rest)}"' for shard in range(SHARDS)) + "}"


def _fetch(connection: Connection, name: str, parameters: dict[str, object]) -> list[Any]:
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(sql.load(name), parameters).fetchall()
