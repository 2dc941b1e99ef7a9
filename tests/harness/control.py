"""How much of some time the machine itself lost, so that a worker is not blamed for it."""

from __future__ import annotations

import hashlib
import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import psycopg
from typing_extensions import override

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from types import TracebackType

CREATE: Final = "CREATE TABLE public.control AS SELECT 0 AS beats"
BEAT: Final = "UPDATE public.control SET beats = beats + 1"

PAUSE_S: Final = 0.02
WORK_S: Final = 0.004
WORK: Final = bytes(64_000)

ROUND_S: Final = 0.03
"""A pause, some work and a commit of one row on a machine that continues: of the 6 ms that are left
for it a commit takes one or two."""

JOIN_S: Final = 60.0


class Round(NamedTuple):
    """From one beat to the next, in monotonic seconds."""

    began: float
    ended: float

    def lost(self, since: float, until: float) -> float:
        """What of it was lost between these moments: all that a round usually does not take."""
        within = min(self.ended, until) - max(self.began, since)
        return max(0.0, within * (1 - ROUND_S / max(ROUND_S, self.ended - self.began)))


def work() -> None:
    """For so much time of a processor, which lasts longer where others have it."""
    until = time.thread_time() + WORK_S
    while time.thread_time() < until:
        hashlib.sha256(WORK)  # others of this process continue beside it


class Control(threading.Thread):
    """Does next to nothing beside what is measured. A context manager.

    Every 20 ms it works for 4 ms of a processor's time, and commits one row to Postgres.
    Whatever holds it up, a machine that crawls or stands still, its disk, its Postgres, is
    no fault of a worker, and holds up a worker for as long. What may take some seconds is
    held to these seconds plus what the control lost meanwhile: on a machine that continues
    that is nothing, and a worker that is too slow has no excuse; where the machine stood
    still there is nothing to repeat.
    """

    def __init__(self, url: str) -> None:
        """Beat in the database at `url`."""
        super().__init__(name="control", daemon=True)
        self._url = url
        self._ending = threading.Event()
        self._rounds: list[Round] = []
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        with psycopg.connect(self._url) as connection:
            connection.execute(CREATE)
        self.start()
        wait_until(lambda: self._has_seen(0.0), JOIN_S, "the control beats")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self.join(JOIN_S)

    @override
    def run(self) -> None:
        """Until the end of the block."""
        try:
            self._beat()
        except psycopg.Error as error:
            self._failure = error

    def _beat(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            before = time.monotonic()
            while not self._ending.wait(PAUSE_S):
                work()
                connection.execute(BEAT)
                now = time.monotonic()
                self._rounds.append(Round(before, now))
                before = now

    def lost(self, since: float, until: float) -> float:
        """Seconds that the machine lost between two moments (monotonic)."""
        return sum(each.lost(since, until) for each in self._between(since, until))

    def stood_still(self, since: float, until: float) -> float:
        """The most seconds that it lost at a stretch between two moments."""
        return max(each.lost(since, until) for each in self._between(since, until))

    def most_lost(self, within: float, since: float, until: float) -> float:
        """The most seconds that it lost within so many, between two moments.

        More than `within` where one round took longer than that.
        """
        rounds = self._between(since, until)
        most = total = 0.0
        oldest = 0
        for each in rounds:
            total += each.lost(since, until)
            while rounds[oldest].ended <= each.began - within:
                total -= rounds[oldest].lost(since, until)
                oldest += 1
            most = max(most, total)
        return most

    def stretched(self, seconds: float, since: float, until: float) -> float:
        """The longest that work of so many seconds could take between two moments."""
        longest = seconds
        rounds = self._between(since, until)
        for number, first in enumerate(rounds):
            left = seconds
            for each in rounds[number:]:
                left -= each.ended - each.began - each.lost(since, until)
                if left <= 0:
                    longest = max(longest, each.ended - first.began + left)
                    break
        return longest

    def _between(self, since: float, until: float) -> list[Round]:
        """The rounds that touch the time from `since` to `until`, the last one in full."""
        wait_until(lambda: self._has_seen(until), JOIN_S, "the control has gone on")
        rounds = self._rounds
        first = bisect_left(rounds, since, key=lambda each: each.ended)
        last = bisect_left(rounds, until, key=lambda each: each.began)
        assert rounds[first].began <= since, "the control began later"
        return rounds[first:last]

    def _has_seen(self, moment: float) -> bool:
        if self._failure is not None:
            message = "the control stopped by itself"
            raise AssertionError(message) from self._failure
        return bool(self._rounds) and self._rounds[-1].ended >= moment
