"""From where a backlog has to be read: the id up to which every writer has ended.

Lemma: a row draws its id after its transaction has its xid (the default of the
column `id` makes it a fact). So whoever drew an id up to M, the highest id
visible in a snapshot S1, had his xid below xmax(S1). Once xmax(S1) <= xmin(S2),
all of them have ended by S2: nothing up to M can still appear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outbox_worker.relay.snapshot import Snapshot

KEPT: Final = 64
"""Marks kept; beyond, every second of the older half goes: what is left only makes floors lower."""


class FloorHistory:
    """Marks (xmax of a snapshot, highest id seen in it), oldest first."""

    def __init__(self) -> None:
        """Begin without a mark."""
        self._marks: list[tuple[int, int]] = []

    def remember(self, snapshot: Snapshot, highest_id: int) -> None:
        """Keep that an event with `highest_id` was visible in `snapshot`."""
        marks = self._marks
        if marks and marks[-1][0] == snapshot.xmax:
            marks[-1] = (snapshot.xmax, max(marks[-1][1], highest_id))
            return
        marks.append((snapshot.xmax, highest_id))
        if len(marks) > KEPT:
            half = KEPT // 2
            marks[:half] = marks[:half:2]

    def floor(self, seen: Snapshot) -> int | None:
        """The highest id that is surely done at `seen`; None where no mark says so yet."""
        ids = [highest for xmax, highest in self._marks if xmax <= seen.xmin]
        return max(ids, default=None)
