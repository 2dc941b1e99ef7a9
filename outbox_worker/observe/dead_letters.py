"""Open dead letters, as the database knew them a few seconds ago."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from outbox_worker.observe.metrics import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

UNKNOWN_AFTER_S: Final = 120.0
"""For so long the last count is shown, whatever the database does meanwhile."""


class DeadLetterNumbers(Collector):
    """How many there are by topic, and the age of the oldest; NaN while nobody knows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet; `clock` counts seconds."""
        self._clock = clock
        self._topics: Mapping[str | None, int] = {}
        self._seconds = math.nan
        self._until = -math.inf

    def keep(
        self, topics: Mapping[str | None, int], seconds: float, lasts: float = UNKNOWN_AFTER_S
    ) -> None:
        """The database says so; None is all topics beyond the bound. It holds so many seconds."""
        self._topics = topics
        self._seconds = seconds
        self._until = self._clock() + lasts

    @override
    def collect(self) -> Iterator[Metric]:
        """The last count, if it is not too old."""
        letters, age = self._families()
        if self._clock() <= self._until:
            for topic, events in self._topics.items():
                letters.add_metric([OTHER if topic is None else topic], events)
            age.add_metric([], self._seconds)
        else:
            age.add_metric([], math.nan)
        yield letters
        yield age

    def describe(self) -> Iterator[Metric]:
        """The names, so that nobody else takes them."""
        yield from self._families()

    def _families(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "outbox_dead_letters", "Open dead letters (parked events)", labels=["topic"]
            ),
            GaugeMetricFamily(
                "outbox_dead_letter_oldest_age_seconds",
                "For how long the oldest open dead letter has been parked, 0 where there is none",
            ),
        )
