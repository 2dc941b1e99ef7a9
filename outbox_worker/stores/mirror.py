"""Statements over the mirror: positions as Postgres has them, a second late."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from outbox_worker.stores import Connection


class Mirrored(NamedTuple):
    """One shard as the mirror has it; `position` is encoded as in Kafka."""

    shard: int
    group_name: str
    batch: int
    position: str
    worker: str
    updated_at: datetime


class Written(NamedTuple):
    """One shard to be written: the encoded position, its parts for SQL, its witness if any.

    `ledger` is the write to the ledger of dead letters on which it rests; 0 where there was none.
    """

    shard: int
    batch: int
    position: str
    seen: str
    upper: str | None
    cursor: int | None
    floor: int
    witness_id: int | None
    witness_xid: int | None
    ledger: int = 0


def list_positions(connection: Connection) -> list[Mirrored]:
    """What the mirror holds, by shard."""
    rows = connection.execute(sql.load("mirror/list_positions")).fetchall()
    return [Mirrored(*row) for row in rows]


def write_positions(
    connection: Connection, group_name: str, worker: str, given: Sequence[Written]
) -> int:
    """Keep those that are newer than what stands there; how many those were."""
    columns = map(list, zip(*given, strict=True))
    shards, batches, positions, seen, upper, cursors, floors, ids, xids, ledgers = columns
    return connection.execute(
        sql.load("mirror/write_positions"),
        {
            "shards": shards,
            "group_name": group_name,
            "batches": batches,
            "positions": positions,
            "seen": seen,
            "upper": upper,
            "cursors": cursors,
            "floors": floors,
            "witness_ids": ids,
            "witness_xids": xids,
            "ledgers": ledgers,
            "worker": worker,
        },
    ).rowcount
