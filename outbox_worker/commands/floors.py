"""Up to where the commands of a key are finished, for keys with many that are.

A finished command leaves its entry in the index of queued ones until vacuum comes, which a
transaction with an old snapshot keeps out. Of a key with thousands of such entries each claim
that passes by would walk through all of them. So a claim that has read many *marks* its key,
and the next ones look for its head from behind a *floor*: a number up to which nothing of the
key is queued, now or later. Why a floor passes over no command:

1. Whoever inserts a command locks the table (ROW EXCLUSIVE) before its number is drawn, and
   until its transaction has ended: from then on every new snapshot shows the command, or none.
2. A number that was seen was drawn before, and so were all below it: the sequence has no cache.
3. So once all who held that lock after a number was seen have ended, every command up to this
   number shows itself, or never will: this number is `_final`. A transaction that is prepared
   keeps its name, and its locks.
4. What reads the lowest queued number of a key after that has found the key's head: below it,
   up to `_final`, nothing of the key is queued, and no finished number is ever queued again: what
   was set aside draws a new one when it is retried, under the same lock as an insert.
5. After a fail-over numbers can be drawn a second time. Floors are known for one session, are
   used on the server from which they are known, and are read anew after a minute: as long waits
   at most what somebody gave a low number by hand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from outbox_worker.stores.command import Stretch
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from outbox_worker.stores.command import Claimed, Head, Writers

LONG: Final = 200
"""So many entries make a walk long: 0.1 ms, where a command takes some."""

MARKS: Final = 100
"""Keys that are marked at once; of more, those that were claimed last."""

LOOK_S: Final = 0.5
"""How often is looked which inserting transactions have ended, while keys are marked."""

GOOD_S: Final = 60.0
"""How long a floor is used until it is read anew, with one walk through the whole key."""


class _Mark(NamedTuple):
    floor: int
    until: Deadline


class _Asked(NamedTuple):
    """A number that was seen, and who might still commit one below."""

    seq: int
    writers: frozenset[str]


class Floors:
    """What one session knows; not for several threads."""

    def __init__(self) -> None:
        """Know of no key."""
        self._server: datetime | None = None
        self._marks: OrderedDict[str, _Mark] = OrderedDict()
        self._final = self._highest = 0
        self._asked: _Asked | None = None
        self._rest = Deadline(0.0)

    @property
    def server(self) -> datetime | None:
        """When the server started on which the floors hold."""
        return self._server

    def way(self, after: str) -> list[Stretch]:
        """Once around the keys from behind this one, which comes last."""
        keys = sorted(self._marks)
        ahead, behind = keys[bisect_right(keys, after) :], keys[: bisect_left(keys, after)]
        highs = [*ahead, None, *behind, after]
        lows = [after, *ahead, "", *behind]
        return [
            Stretch(low, high, self._floor(high)) for low, high in zip(lows, highs, strict=True)
        ]

    def way_to(self, keys: Sequence[str]) -> list[Stretch]:
        """Past these keys and no others."""
        return [Stretch(key, key, self._floor(key)) for key in keys]

    def claimed(self, claimed: Claimed) -> None:
        """A claim along the way brought this, the head of its key."""
        self._on(claimed.server)
        self._highest = max(self._highest, claimed.last_seq)
        mark = self._marks.get(claimed.key)
        if mark is not None:
            self._raise(claimed.key, mark, claimed.seq - 1)
            self._marks.move_to_end(claimed.key)
        elif claimed.walked >= LONG:
            floor = min(claimed.seq - 1, self._final)
            self._marks[claimed.key] = _Mark(floor, Deadline(GOOD_S))
            if len(self._marks) > MARKS:
                self._marks.popitem(last=False)

    def finished(self, claimed: Claimed) -> None:
        """What was claimed is committed as finished: the head of its key is behind it."""
        mark = self._marks.get(claimed.key)
        if mark is not None and claimed.server == self._server:
            self._raise(claimed.key, mark, claimed.seq)

    def is_look_due(self) -> bool:
        """Whether to look who inserts, and to read the heads of `stale` keys."""
        return bool(self._marks) and self._rest.passed

    def looked(self, found: Writers) -> None:
        """These hold the lock of who inserts: see what has become final."""
        self._on(found.server)
        writers = frozenset(found.writers)
        self._rest = Deadline(LOOK_S)
        if self._asked is not None and not self._asked.writers & writers:
            self._final, self._asked = self._asked.seq, None
        if not writers:
            self._final, self._asked = self._highest, None
        elif self._asked is None:
            self._asked = _Asked(self._highest, writers)

    def stale(self) -> list[str]:
        """Keys whose floors were used for long enough."""
        return [key for key, mark in self._marks.items() if mark.until.passed]

    def read(self, key: str, head: Head) -> None:
        """The whole key was walked through; if that was short, it needs no mark any more."""
        self._on(head.server)
        if head.walked < LONG:
            self._marks.pop(key, None)
            return
        floor = self._final if head.seq is None else min(head.seq - 1, self._final)
        self._marks[key] = _Mark(floor, Deadline(GOOD_S))

    def _floor(self, key: str | None) -> int:
        mark = None if key is None else self._marks.get(key)
        return 0 if mark is None else mark.floor

    def _raise(self, key: str, mark: _Mark, reached: int) -> None:
        floor = max(mark.floor, min(reached, self._final))
        self._marks[key] = mark._replace(floor=floor)

    def _on(self, server: datetime) -> None:
        """On another server nothing is known."""
        if server != self._server:
            self._server = server
            self._marks.clear()
            self._final = self._highest = 0
            self._asked = None
