"""Statements that give events new xids, in one REPEATABLE READ transaction of the caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.position.snapshot import Snapshot
from outbox_worker.settings import SHARDS
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outbox_worker.stores import Connection


class Trusted(NamedTuple):
    """What an old position still proves of a shard: ids up to `floor`, what snapshots show."""

    floor: int
    seen: str | None = None
    upper: str | None = None
    cursor: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How events are judged that are in no topic."""

    since: datetime | None
    horizons: Mapping[str, datetime]
    trusted: Mapping[int, Trusted]
    old: Mapping[int, Trusted]
    """What the old positions say, whether or not they are trusted."""


class Pair(NamedTuple):
    """Two published events of a shard: the one with the highest xid, the one with the highest id.

    Each is xid, id, event id.
    """

    top: tuple[int, int, str]
    last: tuple[int, int, str]


def read_snapshot(connection: Connection) -> Snapshot:
    """What the transaction sees; to be asked first in it."""
    row = connection.execute(sql.load("rebase/read_snapshot")).fetchone()
    if row is None:
        raise RuntimeError("rebase/read_snapshot returned no row")
    return Snapshot.parse(row[0])


def create_judged(connection: Connection) -> None:
    """Make the temporary table; the caller's transaction ends it."""
    connection.execute(sql.load("rebase/create_judged"))


def insert_judged(connection: Connection, rules: Rules) -> int:
    """Judge each event; how many there are."""
    held = [rules.trusted.get(shard, Trusted(0)) for shard in range(SHARDS)]
    old = [rules.old.get(shard, Trusted(0)) for shard in range(SHARDS)]
    parameters = {
        "since": rules.since,
        "topics": list(rules.horizons),
        "horizons": list(rules.horizons.values()),
        "floors": [each.floor for each in held],
        "seen": [each.seen for each in held],
        "upper": [each.upper for each in held],
        "cursors": [each.cursor for each in held],
        "old_floors": [each.floor for each in old],
        "old_seen": [each.seen for each in old],
        "old_upper": [each.upper for each in old],
        "old_cursors": [each.cursor for each in old],
    }
    return connection.execute(sql.load("rebase/insert_judged"), parameters).rowcount


def count_judged(connection: Connection) -> dict[tuple[int, str], int]:
    """By shard and verdict how many events."""
    rows = connection.execute(sql.load("rebase/count_judged")).fetchall()
    return {(shard, why): events for shard, why, events in rows}


def mark_unpublished(connection: Connection, *, is_foreign: bool) -> int:
    """Make the unpublished events new; how many those were."""
    parameters = {"is_foreign": is_foreign}
    return connection.execute(sql.load("rebase/mark_unpublished"), parameters).rowcount


def reset_purged(connection: Connection) -> None:
    """Forget how far purge dropped: no new position has a witness among those rows."""
    connection.execute(sql.load("rebase/reset_purged"))


def mark_published(connection: Connection, snapshot: Snapshot, *, is_foreign: bool) -> int:
    """Make xids harmless that are not of this cluster's past; how many those were."""
    parameters = {"snapshot": str(snapshot), "is_foreign": is_foreign}
    return connection.execute(sql.load("rebase/mark_published"), parameters).rowcount


def list_doubtful(connection: Connection, most: int) -> list[tuple[str, str, int]]:
    """Topic and event id of up to `most` that may be published already, and how many there are."""
    return connection.execute(sql.load("rebase/list_doubtful"), {"most": most}).fetchall()


def take_ledgers(connection: Connection) -> dict[int, int]:
    """Take the ledger of dead letters over; by shard how often it was written."""
    return dict(connection.execute(sql.load("rebase/take_ledgers")).fetchall())


def count_ledgers(connection: Connection, numbers: Mapping[int, int]) -> int:
    """Count what rebase did as a write to the ledger, by shard; how many shards those were."""
    given = {"shards": list(numbers), "numbers": list(numbers.values())}
    return connection.execute(sql.load("rebase/count_ledgers"), given).rowcount


def settle_dead_letters(connection: Connection) -> int:
    """Have the ledger say of open dead letters what the topics say; how many were changed."""
    return connection.execute(sql.load("rebase/settle_dead_letters")).rowcount


def renew_orders(connection: Connection) -> int:
    """Give orders to park the xids of today; how many are open."""
    return connection.execute(sql.load("rebase/renew_orders")).rowcount


def settle_deleted(connection: Connection, snapshot: Snapshot, *, is_foreign: bool) -> int:
    """Make xids harmless of dead letters whose events were deleted; how many those were."""
    parameters = {"snapshot": str(snapshot), "is_foreign": is_foreign}
    return connection.execute(sql.load("rebase/settle_deleted"), parameters).rowcount


def forget_dead_letters(connection: Connection) -> int:
    """Remove from the ledger what will be published again; how many those were."""
    return connection.execute(sql.load("rebase/forget_dead_letters")).rowcount


def list_witnesses(connection: Connection) -> dict[int, Pair]:
    """By shard that has published events, those that prove it."""
    rows = connection.execute(sql.load("rebase/list_witnesses")).fetchall()
    return {row[0]: Pair((row[1], row[2], row[3]), (row[4], row[5], row[6])) for row in rows}
