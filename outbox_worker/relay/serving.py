"""What a relay serves from memory: its cohorts, a batch read ahead, how far all has been seen.

All of it follows from committed positions and the table. Where memory may be wrong, the relay
replaces the whole of it by a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.position.floor import FloorHistory
from outbox_worker.relay import holds
from outbox_worker.relay.cohorts import Cohorts
from outbox_worker.relay.held_shards import HeldShards
from outbox_worker.stores import server
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.relay.cohorts import Cohort
    from outbox_worker.relay.reader import Batch
    from outbox_worker.stores import Connection

MARK_S: Final = 1.0
"""How often at most a transaction id is drawn to raise the floors, while events come."""


class Serving:
    """The shards that are served, and what is known of them beyond their positions."""

    def __init__(self) -> None:
        """Serve nothing, and know nothing."""
        self.cohorts = Cohorts()
        self.ahead: Batch | None = None
        """A batch that was read while Kafka committed the one before it."""
        self._held_shards = HeldShards()
        self._floors = FloorHistory()
        self._highest = self._marked = 0
        self._mark_rest = Deadline(0.0)

    def floor(self, border: Snapshot) -> int:
        """The id up to which nothing can appear any more after `border`."""
        return self._floors.floor(border)

    def after(self, batch: Batch, most_rows: int) -> Cohort:
        """The cohort once this batch is published: it flows, and its size has grown back."""
        after = batch.after(self.floor(batch.upper)).flowing()
        return holds.grown_back(after, len(batch.every), most_rows)

    def say_held(self) -> None:
        """Log which shards wait, and why, where a line is due."""
        self._held_shards.look(self.cohorts)

    def saw(self, id_: int) -> None:
        """An event with this id is published."""
        self._highest = max(self._highest, id_)

    def mark(self, connection: Connection) -> None:
        """From time to time note how far everything has been seen, for the floors to come."""
        if self._highest > self._marked and self._mark_rest.passed:
            xid = server.draw_xid(connection)
            self._floors.mark(xid, self._highest)
            self._marked, self._mark_rest = self._highest, Deadline(MARK_S)
