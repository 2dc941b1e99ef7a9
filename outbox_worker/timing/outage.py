"""A failure that is logged once while it lasts, and once more when it is over."""

from __future__ import annotations

import time

from outbox_worker.logs.safe_text import describe


class Outage:
    """Whether one thing fails, since when, and whether that was said.

    Its owner logs: when `begin` says so, and when `end` returns what was said.
    """

    def __init__(self, aloud_after_s: float = 0.0) -> None:
        """What is over within `aloud_after_s` seconds is not worth a line."""
        self._aloud_after_s = aloud_after_s
        self._since: float | None = None
        self._is_said = False
        self.words = ""
        """How it failed last, in one line; empty while all is well."""

    def begin(
        self, error: Exception | str, *, at_once: bool = False, tried_at: float | None = None
    ) -> bool:
        """It failed. Whether that is to be said now: once, and where it lasts or `at_once`.

        It fails since `tried_at` (monotonic seconds), where the first try took long.
        """
        now = time.monotonic()
        self.words = describe(error) if isinstance(error, Exception) else error
        if self._since is None:
            self._since = now if tried_at is None else tried_at
        if self._is_said or not (at_once or now - self._since >= self._aloud_after_s):
            return False
        self._is_said = True
        return True

    def end(self) -> str:
        """It went well. How it had failed last where that was said, else nothing."""
        said = self.words if self._is_said else ""
        self._since, self._is_said, self.words = None, False, ""
        return said
