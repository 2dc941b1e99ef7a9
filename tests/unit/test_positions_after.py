"""Which shards get a new position with a batch."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from outbox_worker.position.position import Backlog, Position, Witness
from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay.cohorts import Cohort, Stand
from outbox_worker.relay.publisher import STALE_XIDS, positions_after
from outbox_worker.relay.reader import Batch

if TYPE_CHECKING:
    from outbox_worker.position.row import EventRow

UPPER = Snapshot(50, 50)
TOP = Witness(40, 7, b"digest")
ROWS: list[EventRow] = [
    (9, 30, 1, str(uuid.uuid4()), "t", "k", "type", "text/plain", "", None, None, 0, "w")
]
"""One row of shard 1, with a lower xid than what shard 2 has published."""


def after(
    position: Position, *, cut: int | None = None, upper: Snapshot = UPPER
) -> CommittedPosition | None:
    """The new position of shard 2, which has no row in the batch."""
    stored = {shard: CommittedPosition(3, position) for shard in (1, 2)}
    cohort = Cohort(dict.fromkeys(stored, Stand(NOTHING, 0, 8)), upper)
    found = positions_after(Batch(cohort, ROWS, upper, cut), stored, 0)
    assert found[1].batch == 4
    return found.get(2)


def position(*, seen: Snapshot = NOTHING, backlog: Backlog | None = None) -> Position:
    return Position(b"syst", "w", seen, backlog, 0, TOP, TOP)


def test_a_shard_without_rows_keeps_its_position() -> None:
    assert after(position(seen=Snapshot(41, 41))) is None


def test_a_shard_that_is_far_behind_gets_a_new_one() -> None:
    upper = Snapshot(STALE_XIDS + 41, STALE_XIDS + 41)
    assert after(position(seen=Snapshot(41, 41)), upper=upper) is not None


def test_a_shard_leaves_a_backlog_whose_end_has_no_row_of_it() -> None:
    found = after(position(backlog=Backlog(UPPER, 8)))
    assert found is not None
    assert found.position.backlog is None
    assert found.position.published(TOP.xid, TOP.id), "what it had published stays so"
    assert not found.position.published(UPPER.xmax, 8)


def test_a_shard_stays_in_a_backlog_that_goes_on() -> None:
    assert after(position(backlog=Backlog(UPPER, 8)), cut=9) is None
