"""Statements over the ledger of dead letters, as the worker of a shard writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from outbox_worker.settings import LARGEST_EVENT
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from outbox_worker.position.row import EventRow
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.stores import Connection
    from outbox_worker.stores.outbox import Limits

MOST_ORDERS = 500
"""So many open orders are looked at in one round; the others follow as these are done."""


class LedgerShard(NamedTuple):
    """Of one shard: whose writes count, and how many there were."""

    epoch: int
    number: int


class Letter(NamedTuple):
    """An event to be parked: the values of its row in the ledger that are not the event's own."""

    id: int
    xid: int
    shard: int
    created_at: str
    topic: str
    key: str | None
    event_id: str
    type: str
    reason: str
    code: str
    behind: int | None
    parked_by: str


class Order(NamedTuple):
    """What a person asked for. Without a shard it is for all of them."""

    id: int
    xid: int
    action: str
    shard: int | None
    topic: str | None
    key: str | None
    event: int | None
    event_xid: int | None
    to_topic: str | None
    rate: float | None
    reason: str | None
    ordered_by: str
    is_parked: bool


def list_shards(connection: Connection, shards: Iterable[int]) -> dict[int, LedgerShard]:
    """By shard who may write, and how often that was done."""
    rows = connection.execute(sql.load("dead_letter/list_shards"), {"shards": sorted(shards)})
    return {row[0]: LedgerShard(*row[1:]) for row in rows}


def raise_epochs(connection: Connection, shards: Iterable[int]) -> dict[int, LedgerShard]:
    """Take the ledger of these shards over."""
    rows = connection.execute(sql.load("dead_letter/raise_epochs"), {"shards": sorted(shards)})
    return {row[0]: LedgerShard(*row[1:]) for row in rows}


def list_unpassed(
    connection: Connection, seen: Mapping[int, Snapshot]
) -> list[tuple[int, int, int]]:
    """Id, xid and shard of events in the ledger that these snapshots do not show, by shard."""
    parameters = {"shards": list(seen), "seen": [str(each) for each in seen.values()]}
    return connection.execute(sql.load("dead_letter/list_unpassed"), parameters).fetchall()


def list_sequences(connection: Connection, shards: Iterable[int]) -> list[tuple[int, str, str]]:
    """Shard, topic and key of the sequences that are open."""
    parameters = {"shards": sorted(shards)}
    return connection.execute(sql.load("dead_letter/list_sequences"), parameters).fetchall()


def list_open(
    connection: Connection, sequences: Collection[tuple[int, str, str | None]]
) -> dict[tuple[str, str | None], int]:
    """By topic and key, the id of the first event of those of these sequences that are open."""
    shards, topics, keys = map(list, zip(*sequences, strict=True))
    parameters = {"shards": shards, "topics": topics, "keys": keys}
    rows = connection.execute(sql.load("dead_letter/list_open"), parameters)
    return {(topic, key): first for topic, key, first in rows}


def list_redriving(connection: Connection, shards: Iterable[int]) -> set[int]:
    """Those of these shards with a redrive that is not settled."""
    parameters = {"shards": sorted(shards)}
    rows = connection.execute(sql.load("dead_letter/list_redriving"), parameters)
    return {row[0] for row in rows}


def insert_events(
    connection: Connection, epochs: Mapping[int, int], letters: Sequence[Letter]
) -> dict[int, int]:
    """Park events; by shard the number of this write, without the shards that are not ours."""
    columns = map(list, zip(*letters, strict=True))
    ids, xids, places, created, topics, keys, event_ids, *others = columns
    types, reasons, codes, behind, parked_by = others
    rows = connection.execute(
        sql.load("dead_letter/insert_events"),
        {
            "shards": list(epochs),
            "epochs": list(epochs.values()),
            "ids": ids,
            "xids": xids,
            "places": places,
            "created": created,
            "topics": topics,
            "keys": keys,
            "event_ids": event_ids,
            "types": types,
            "reasons": reasons,
            "codes": codes,
            "behind": behind,
            "parked_by": parked_by,
        },
    )
    return dict(rows.fetchall())


def settle_redrives(connection: Connection, shard: int, epoch: int, ledger: int) -> int | None:
    """Settle the redrives of a shard whose position carries `ledger`; the number of this write."""
    row = connection.execute(
        sql.load("dead_letter/settle_redrives"), {"shard": shard, "epoch": epoch, "ledger": ledger}
    ).fetchone()
    return None if row is None else int(row[0])


def list_redrivable(
    connection: Connection, order: Order, after: int, limits: Limits
) -> list[tuple[int, EventRow | None]]:
    """The next events of an order above the id `after`, each with its id in the ledger.

    None where one is gone.
    """
    parameters = {
        "after": after,
        "shard": order.shard,
        "topic": order.topic,
        "key": order.key,
        "event": order.event,
        "request": order.id,
        "rows": limits.rows,
        "bytes": limits.bytes,
        "largest": LARGEST_EVENT,
    }
    with connection.cursor(binary=True) as cursor:
        rows: list[Any] = cursor.execute(
            sql.load("dead_letter/list_redrivable"), parameters
        ).fetchall()
    return [(row[0], None if row[1] is None else row[1:]) for row in rows]


def has_earlier(connection: Connection, ids: Collection[int], after: int) -> bool:
    """Whether one of these has an earlier one of its sequence that is open, up to `after`."""
    row = connection.execute(
        sql.load("dead_letter/has_earlier"), {"ids": sorted(ids), "after": after}
    ).fetchone()
    return row is not None and bool(row[0])


def mark_redriving(
    connection: Connection, epoch: int, order: Order, ids: Sequence[int]
) -> tuple[int | None, set[int]]:
    """Take events in hand: the number of this redrive, None where it is not ours, and which.

    `psycopg.errors.LockNotAvailable` where somebody is about to decide about one.
    """
    row = connection.execute(
        sql.load("dead_letter/mark_redriving"),
        {
            "shard": order.shard,
            "epoch": epoch,
            "ids": list(ids),
            "to_topic": order.to_topic,
            "decided_by": order.ordered_by,
        },
    ).fetchone()
    if row is None:
        raise RuntimeError("dead_letter/mark_redriving returned no row")
    number, chosen = row
    return number, set(chosen)


def mark_redriven(connection: Connection, order: Order, number: int) -> int:
    """The redrive with this number is in Kafka; how many events that were."""
    return connection.execute(
        sql.load("dead_letter/mark_redriven"),
        {"shard": order.shard, "number": number, "request": order.id},
    ).rowcount


def mark_refused(connection: Connection, order: Order, event: int, reason: str, code: str) -> int:
    """A redrive of this event was refused; 0 where it is not parked any more.

    `psycopg.errors.LockNotAvailable` where somebody is about to decide about it.
    """
    return connection.execute(
        sql.load("dead_letter/mark_refused"),
        {"id": event, "reason": reason, "code": code, "request": order.id},
    ).rowcount


def list_orders(connection: Connection, shards: Iterable[int]) -> list[Order]:
    """Open orders of these shards, and those for all, the oldest first."""
    parameters = {"shards": sorted(shards), "most": MOST_ORDERS}
    rows = connection.execute(sql.load("dead_letter/list_orders"), parameters)
    return [Order(*row) for row in rows]


def end_order(connection: Connection, order: Order, state: str, outcome: str) -> int:
    """Close an order to park; 0 where it was closed before."""
    return connection.execute(
        sql.load("dead_letter/end_order"), {"id": order.id, "state": state, "outcome": outcome}
    ).rowcount


def end_redrive(connection: Connection, order: Order) -> tuple[int, int, str | None] | None:
    """Close an order to redrive: how many were redriven, how many refused, and why."""
    row = connection.execute(sql.load("dead_letter/end_redrive"), {"id": order.id}).fetchone()
    return None if row is None else (row[0], row[1], row[2])
