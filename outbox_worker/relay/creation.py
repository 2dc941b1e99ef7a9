"""Which missing topics a worker may create, and how many: a writer chooses names freely."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from outbox_worker.settings import Settings

HOUR_S: Final = 3_600.0


class Closed(NamedTuple):
    """Why a topic takes no event, and what a person can do about it."""

    reason: str
    hint: str
    code: str = ""
    """Of an event that Kafka can never take, what is wrong with it; empty where that may change."""


class Creation:
    """A budget that fills up evenly, `OUTBOX_CREATE_TOPICS_PER_HOUR` at most.

    A new worker has all of it. Each worker has its own.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full budget; `clock` counts seconds."""
        names = settings.create_topics_pattern.split(",")
        self._allowed = re.compile("|".join(map(_as_regex, names)))
        self._per_hour = settings.create_topics_per_hour
        self._clock = clock
        self._left = float(self._per_hour)
        self._at = clock()

    def refuses(self, topic: str) -> Closed | None:
        """Why this topic is not to be created now; None where it may be. Nothing is spent."""
        if not self._allowed.fullmatch(topic):
            return Closed(
                "the topic does not exist, and OUTBOX_CREATE_TOPICS_PATTERN does not allow to "
                "create it",
                "If its writer means this topic, create it (kafka-topics.sh --create --topic "
                f"{topic}) or add its name to OUTBOX_CREATE_TOPICS_PATTERN; nothing is skipped "
                "meanwhile",
            )
        self._refill()
        if self._left < 1:
            return Closed(
                "the topic does not exist, and this worker created as many topics as "
                f"OUTBOX_CREATE_TOPICS_PER_HOUR={self._per_hour} allows",
                "See whether a writer makes up names of topics (the lines topic_created). If all "
                f"are meant: create it (kafka-topics.sh --create --topic {topic}), raise the "
                "setting, or wait: it is tried again; nothing is skipped meanwhile",
            )
        return None

    def spend(self) -> None:
        """A topic is being created."""
        self._left -= 1

    def give_back(self) -> None:
        """It was not created after all."""
        self._left = min(self._left + 1, self._per_hour)

    def _refill(self) -> None:
        now = self._clock()
        gained = (now - self._at) * self._per_hour / HOUR_S
        self._left, self._at = min(self._left + gained, self._per_hour), now


def _as_regex(pattern: str) -> str:
    return ".*".join(map(re.escape, pattern.strip().split("*")))
