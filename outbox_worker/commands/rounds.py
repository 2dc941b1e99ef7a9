"""Where the threads of a process are on their way around the keys, and what they know of each.

A finished command leaves its entry in the index of queued ones until vacuum comes, which a
transaction with an old snapshot keeps out. Of a key with thousands of such entries each claim
would walk through all of them. So a claim that has walked opens a *window* of the key: below
its head nothing was queued, and the last queued one had the number `upto`. For a second the
next claims of the key look inside the window only, from behind the last finished command on.

That keeps the order of the key. A command with a lower number that the walk did not show was
committed after it. All in the window drew their numbers before the walk: none of them was
inserted after that command had been committed, so none has to wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from outbox_worker.stores.command import Claimed

OPEN_S: Final = 1.0
"""How long a window is used: a walk over 30,000 dead entries takes 10 ms, a hundredth of it."""

REMEMBERED: Final = 1_000
"""Keys whose windows are kept: where more keys take turns, none comes again within a second."""


class Start(NamedTuple):
    """Where a claim begins: behind the key `after`; of that key's own numbers in this window."""

    after: str
    above: int
    upto: int


class _Window(NamedTuple):
    above: int
    upto: int
    until: float


class Rounds:
    """Shared by the threads of a process."""

    def __init__(self) -> None:
        """Begin before the first key, and know of none."""
        self._lock = threading.Lock()
        self._after = ""
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def start(self) -> Start:
        """Where the next claim begins."""
        with self._lock:
            window = self._windows.get(self._after)
            if window is None or time.monotonic() >= window.until:
                return Start(self._after, 0, 0)
            return Start(self._after, window.above, window.upto)

    def claimed(self, start: Start, claimed: Claimed) -> None:
        """A claim from `start` brought this; one that had to walk opens a window."""
        is_known = claimed.key == start.after and start.above < claimed.seq <= start.upto
        with self._lock:
            self._after = claimed.key
            if is_known:
                return
            until = time.monotonic() + OPEN_S
            self._windows[claimed.key] = _Window(claimed.seq - 1, claimed.last_seq, until)
            self._windows.move_to_end(claimed.key)
            if len(self._windows) > REMEMBERED:
                self._windows.popitem(last=False)

    def finished(self, claimed: Claimed) -> None:
        """The command is no longer queued: the next claim looks behind it."""
        with self._lock:
            window = self._windows.get(claimed.key)
            if window is not None and claimed.seq > window.above:
                self._windows[claimed.key] = window._replace(above=claimed.seq)
