"""The relay's statements over the simulated table, put in the place of the real ones."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest import mock

from outbox_worker.relay import position_limit, publisher, renewal, serving
from outbox_worker.stores import mirror, outbox, server, source, switchover
from outbox_worker.stores.mirror import Mirrored
from outbox_worker.stores.switchover import Foreign
from tests.model.clients import simulated_clients
from tests.model.ledger import simulated_ledger
from tests.model.postgres import draw_xid, identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outbox_worker.position.row import EventRow
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.stores.outbox import Gap, Limits
    from tests.model.postgres import Postgres

WINDOW = 9
"""So many ids a statement looks at here."""

STALE_XIDS = 5
"""From so many xids on a position is renewed here."""


def read_tail(
    postgres: Postgres, seen: Mapping[int, Snapshot], limits: Limits
) -> tuple[Snapshot, list[EventRow]]:
    """`outbox/read_tail`, in the order of xids as the index gives them."""
    rows = [row for row in postgres.visible() if row[2] in seen and not seen[row[2]].sees(row[1])]
    rows.sort(key=lambda row: (row[1], row[2], row[0]))
    return postgres.snapshot(), rows[: limits.rows + 1]


def read_chunk(
    postgres: Postgres,
    seen: Mapping[int, Snapshot],
    cursors: Mapping[int, int],
    upper: Snapshot,
    limits: Limits,
) -> tuple[list[EventRow], int | None]:
    """`outbox/read_chunk` and `outbox/highest_id`."""
    last = min(cursors.values()) + WINDOW
    rows = [
        row
        for row in postgres.visible()
        if row[2] in seen
        and cursors[row[2]] < row[0] <= last
        and upper.sees(row[1])
        and not seen[row[2]].sees(row[1])
    ]
    if len(rows) >= limits.rows:
        return rows[: limits.rows], rows[limits.rows - 1][0]
    return rows, None if max(postgres.rows, default=0) <= last else last


def read_stragglers(postgres: Postgres, shard: int, gap: Gap, rows: int) -> list[EventRow]:
    """`outbox/read_stragglers`."""
    found = [
        row
        for row in postgres.visible()
        if row[2] == shard
        and not gap.upper.sees(row[1])
        and gap.floor < row[0] <= gap.cursor
        and gap.fresh.sees(row[1])
        and not gap.seen.sees(row[1])
    ]
    return found[:rows]


def find_witness(postgres: Postgres, ids: list[int]) -> list[tuple[int, int, str]]:
    """`outbox/find_witness`."""
    letters = [each.letter for each in postgres.ledger.entries.values()]
    found = {each.id: (each.xid, each.event_id) for each in letters}
    found |= {row[0]: (row[1], row[3]) for row in postgres.visible()}
    return [(i, *found[i]) for i in ids if i in found]


def list_positions(postgres: Postgres) -> list[Mirrored]:
    """`mirror/list_positions`; Kafka never forgets here."""
    now = datetime.now(UTC)
    return [
        Mirrored(shard, "group", batch, text, "somebody", now)
        for shard, (batch, text) in postgres.mirror.items()
    ]


@contextmanager
def simulated() -> Iterator[None]:
    """The product asks the simulated table and the simulated Kafka inside this block."""
    with (
        simulated_clients(),
        simulated_ledger(),
        mock.patch.object(outbox, "read_tail", read_tail),
        mock.patch.object(outbox, "read_chunk", read_chunk),
        mock.patch.object(outbox, "read_stragglers", read_stragglers),
        mock.patch.object(outbox, "find_witness", find_witness),
        mock.patch.object(server, "read_identity", identity),
        mock.patch.object(server, "draw_xid", draw_xid),
        mock.patch.object(source, "list_sources", return_value={}),
        mock.patch.object(switchover, "find_foreign", return_value=Foreign(False, None)),
        mock.patch.object(switchover, "list_behind", return_value=[]),
        mock.patch.object(serving, "MARK_S", 0.0),
        mock.patch.object(position_limit, "AGAIN_S", 0.0),
        mock.patch.object(renewal, "LOOK_S", 0.0),
        mock.patch.object(renewal, "STALE_XIDS", STALE_XIDS),
        mock.patch.object(publisher, "STALE_XIDS", STALE_XIDS),
        mock.patch.object(mirror, "list_positions", list_positions),
    ):
        yield
