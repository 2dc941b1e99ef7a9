"""Pauses between tries, longer each time up to a bound and spread by chance."""

from __future__ import annotations

import random
from typing import Final

from outbox_worker.settings import BACKOFF_MAX_S, BACKOFF_MIN_S

MOST_STEPS: Final = 30


def pause_after(
    times: int,
    first_s: float = BACKOFF_MIN_S,
    longest_s: float = BACKOFF_MAX_S,
    growth: int = 2,
) -> float:
    """Seconds to wait after this many failures, from 1: half of it to all, by chance.

    Those that were stopped at the same time do not come back at the same time.
    """
    grown: float = first_s * growth ** min(times - 1, MOST_STEPS)
    return min(grown, longest_s) * random.uniform(0.5, 1.0)  # noqa: S311  no secret


class Backoff:
    """The pauses of one thing that is tried again: longer each time, until it goes well."""

    def __init__(self, first_s: float = BACKOFF_MIN_S, longest_s: float = BACKOFF_MAX_S) -> None:
        """The first pause takes at most `first_s` seconds, none more than `longest_s`."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    @property
    def has_failed(self) -> bool:
        """Whether it failed since it last went well."""
        return self._failures > 0

    def next(self) -> float:
        """It failed; seconds to wait before the next try."""
        self._failures += 1
        return pause_after(self._failures, self._first_s, self._longest_s)

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self._failures = 0
