"""Whether the ledger of dead letters has all that positions rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.errors import HistoryLostError
from outbox_worker.position import validity
from outbox_worker.published import witnesses
from outbox_worker.stores import dead_letter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.stores import Connection
    from outbox_worker.stores.dead_letter import LedgerShard


def look_over(
    connection: Connection, known: Mapping[int, CommittedPosition]
) -> dict[int, LedgerShard]:
    """The ledger of these shards, as it stands, with nothing changed.

    `HistoryLostError` where it lacks rows that a position rests on.
    """
    found = dead_letter.list_shards(connection, known)
    for shard, stored in known.items():
        reason = validity.why_ledger_fails(found[shard].number, stored.position)
        if reason:
            raise _lost(shard, reason)
    return found


def _lost(shard: int, reason: str) -> HistoryLostError:
    return HistoryLostError(
        f"Shard {shard}: {reason}. A fail-over, restore or dump lost the last ones, so that "
        "parked events would be taken for published ones; nothing is published",
        f"Stop writing if you can, then {witnesses.HINT}",
    )
