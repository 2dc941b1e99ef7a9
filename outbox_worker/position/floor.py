"""From where a backlog has to be read: the id up to which every writer has ended.

Lemma: a row draws its id after its transaction has its xid (the default of the
column `id` makes it a fact). So once an id M has been seen and then a new xid X
is drawn, whoever drew an id up to M has a xid below X. When X <= xmin(S), all of
them have ended by S: nothing up to M can appear after S any more.

The xmax of the snapshot in which M was seen cannot stand for X: it is one above
the highest xid that had ended (Postgres, GetSnapshotData), and a transaction in
progress above it may already have drawn an id below M.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outbox_worker.position.snapshot import Snapshot

KEPT: Final = 64
"""Marks kept; beyond, every second of the older half goes: what is left only makes floors lower."""


class FloorHistory:
    """Marks (a xid drawn, highest id seen before that), oldest first."""

    def __init__(self) -> None:
        """Begin without a mark."""
        self._marks: list[tuple[int, int]] = []

    def mark(self, xid: int, highest_id: int) -> None:
        """Keep that `xid` was drawn after an event with `highest_id` had been seen."""
        marks = self._marks
        marks.append((xid, highest_id))
        if len(marks) > KEPT:
            half = KEPT // 2
            marks[:half] = marks[:half:2]

    def floor(self, seen: Snapshot) -> int:
        """The highest id that is surely done at `seen`, 0 where no mark says so yet."""
        return max((highest for xid, highest in self._marks if xid <= seen.xmin), default=0)
