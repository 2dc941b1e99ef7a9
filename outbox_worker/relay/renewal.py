"""Positions of today for shards that have no events.

Whoever publishes nothing would keep the position it began with for ever: the next owner, the
lag and `purge` would look through all that came since. It is renewed with what others have
published as its witnesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.position.codec import PositionTooLargeError, encode
from outbox_worker.position.position import Place, proceed
from outbox_worker.published import witnesses
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay.publisher import STALE_XIDS
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.position.position import Position
    from outbox_worker.relay.reader import Batch
    from outbox_worker.stores import Connection

LOOK_S: Final = 60.0
"""How often at most it is looked at: the shards that are asked about are at rest."""


class Renewal:
    """Finds the shards of an empty batch that have fallen far behind what was published."""

    def __init__(self) -> None:
        """Look with the first empty batch."""
        self._rest = Deadline(0.0)

    def positions(
        self,
        connection: Connection,
        batch: Batch,
        stored: Mapping[int, CommittedPosition],
        floor: int,
    ) -> dict[int, CommittedPosition]:
        """New positions, mostly none; `floor` is where all have ended by the batch's border."""
        if batch.rows or batch.cut is not None or not self._rest.passed:
            return {}
        self._rest = Deadline(LOOK_S)
        newest = witnesses.newest(connection, (each.position for each in stored.values()))
        if newest is None:
            return {}
        after = {}
        for shard, stand in batch.cohort.stands.items():
            old = stored[shard]
            if newest.top.xid - old.position.seen.xmax >= STALE_XIDS:
                place = Place(stand.seen, batch.upper, None, max(stand.floor, floor))
                position = proceed(old.position, newest.top, newest.last, place)
                if fits(position):
                    after[shard] = CommittedPosition(old.batch + 1, position)
        return after


def fits(position: Position) -> bool:
    """Whether Kafka can keep it; where it cannot, the position that is there stays true."""
    try:
        encode(position, is_new=True)
    except PositionTooLargeError:
        return False
    return True
