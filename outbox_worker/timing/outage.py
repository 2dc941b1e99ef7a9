"""A failure that is logged once while it lasts, and once more when it is over."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final

from outbox_worker.logs.safe_text import describe

LASTS_S: Final = 10.0
"""A further cause is named once it has lasted for so long: a server that restarts refuses
connections in three ways within seconds, and one line says that it is away."""

MOST_CAUSES: Final = 5
"""So many causes of one outage are named: a text that is another one each time fills no log."""

NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Over:
    """What is to be said at the end of an outage: its last cause, and how long it lasted."""

    after: str
    seconds: float


class Outage:
    """Whether one thing fails, since when, and which of its causes were said.

    Its owner logs: when `begin` says so, and when `end` returns what was said.
    """

    def __init__(self, aloud_after_s: float = 0.0) -> None:
        """What is over within `aloud_after_s` seconds is not worth a line."""
        self._aloud_after_s = aloud_after_s
        self._since: float | None = None
        self._unsaid: dict[str, float] = {}
        self._said: set[str] = set()
        self.words = ""
        """How it failed last, in one line; empty while all is well."""

    def begin(
        self, error: Exception | str, *, at_once: bool = False, tried_at: float | None = None
    ) -> bool:
        """It failed. Whether that is to be said now: once, and where it lasts or `at_once`.

        It is to be said again where a cause that was not named has lasted, or is to be said
        `at_once`; texts that differ in numbers only are one cause. It fails since `tried_at`
        (monotonic seconds), where the first try took long.
        """
        now = time.monotonic()
        tried_at = now if tried_at is None else tried_at
        self.words = describe(error) if isinstance(error, Exception) else error
        self._since = tried_at if self._since is None else self._since
        cause = NUMBER.sub("N", self.words)
        if cause in self._said or len(self._said) >= MOST_CAUSES:
            return False
        cause_since = self._unsaid.setdefault(cause, tried_at)
        if len(self._unsaid) > MOST_CAUSES:
            del self._unsaid[next(iter(self._unsaid))]
        if self._said:
            lasts = now - cause_since >= LASTS_S
        else:
            lasts = now - self._since >= self._aloud_after_s
        if not (lasts or at_once):
            return False
        del self._unsaid[cause]
        self._said.add(cause)
        return True

    def end(self) -> Over | None:
        """It went well. What is to be said of it; None where nothing was said before."""
        over = None
        if self._since is not None and self._said:
            over = Over(self.words, round(time.monotonic() - self._since, 1))
        self._since, self._unsaid, self._said, self.words = None, {}, set(), ""
        return over
