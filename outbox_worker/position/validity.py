"""Whether a position still belongs to the table, and what it means there. Pure.

WAL is replayed in order: a published row that still stands with its event id and
xid proves that its xid, its id and all before them stay used. Then no new row
can get a xid below the tight xmax of a position, or an id up to its cursor and
floor. Otherwise both are used a second time, and new rows would look published. A row of the
ledger of dead letters, written after its event, proves the same of one that somebody deleted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from outbox_worker.position.position import Backlog, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.position.position import Position
    from outbox_worker.position.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Table:
    """The table's side: its cluster, a fresh snapshot, the rows under the witnesses' ids."""

    system: bytes
    fresh: Snapshot
    found: Mapping[int, tuple[int, str]]
    purged_id: int
    purged_xid: int


def why_invalid(position: Position, table: Table) -> str:
    """Why the history of a position is not the table's; empty where it is."""
    if position.top is not None and position.system != table.system:
        return (
            "this is another database cluster than the one that was published from "
            "(or after pg_upgrade), or another database has the same OUTBOX_GROUP"
        )
    for witness in position.witnesses:
        row = table.found.get(witness.id)
        if row is None:
            if witness.id <= table.purged_id and witness.xid <= table.purged_xid:
                continue
            return f"event {witness.id}, which was published, is not in the table"
        xid, event_id = row
        if xid != witness.xid or digest_of(event_id) != witness.digest:
            return f"another event stands under id {witness.id} than the one published"
    return ""


def has_lost(number: int, position: Position) -> bool:
    """Whether a ledger of dead letters with so many writes has lost some that it rests on."""
    return number < position.ledger


def why_ledger_fails(number: int, position: Position) -> str:
    """What has gone wrong where the ledger has lost writes; empty where it has all."""
    if not has_lost(number, position):
        return ""
    return (
        f"the ledger of dead letters has {number} writes, and the position rests on "
        f"{position.ledger}"
    )


def reconnect(position: Position, fresh: Snapshot) -> Position:
    """The position on a connection that showed `fresh`: visible only what both show.

    Xids that a fail-over made free again count as not yet seen.
    """
    backlog = position.backlog
    return replace(
        position,
        seen=position.seen.intersect(fresh),
        backlog=backlog and Backlog(backlog.upper.intersect(fresh), backlog.cursor),
    )


def reborder(position: Position, fresh: Snapshot) -> Position:
    """A backlog with `fresh`, a real border of today, for its old one.

    Right once the stragglers are published: rows up to the cursor whose
    transactions were in progress at the old border and have ended since. Their
    ids lie below every row still to come, and the old border did not show them,
    so that they come after what is published and before what is not.
    """
    if position.backlog is None:
        return position
    return replace(position, backlog=Backlog(fresh, position.backlog.cursor))
