"""What a worker that executes commands counts. No label ever holds an id or a key."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from outbox_worker.observe.metrics import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry


class CommandMetrics:
    """Counters of the executor. Types that there are not are counted as one, `unknown`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register every metric in `registry`."""
        self.commands = Counter(
            "outbox_commands",
            "Attempts to execute a command, by outcome",
            ["type", "outcome"],
            registry=registry,
        )
        self.duration = Histogram(
            "outbox_command_duration_seconds",
            "Claim to commit of a command that is finished",
            ["type"],
            buckets=SECONDS,
            registry=registry,
        )
        self.wait = Histogram(
            "outbox_command_wait_seconds",
            "Submission to claim of a command that is finished, by both clocks",
            ["type"],
            buckets=SECONDS,
            registry=registry,
        )
        # Labels are looked up once: each look-up costs as much as the counting.
        self._counter_of = cache(self.commands.labels)
        self._duration_of = cache(self.duration.labels)
        self._wait_of = cache(self.wait.labels)
        self.queued = Gauge(
            "outbox_commands_queued", "Commands not yet executed", registry=registry
        )
        self.oldest_seconds = Gauge(
            "outbox_commands_oldest_queued_age_seconds",
            "Age of the oldest command not yet executed",
            registry=registry,
        )

        self.set_aside = Gauge(
            "outbox_commands_set_aside",
            "Commands that were set aside, and not retried since",
            registry=registry,
        )

    def expect(self, kinds: Iterable[str]) -> None:
        """Show 0 of what should not happen to these types: the first one is an increase then."""
        for kind in kinds:
            for outcome in ("failed", "set_aside"):
                self._counter_of(kind, outcome)

    def finished(self, kind: str, outcome: str, seconds: float, waited: float) -> None:
        """A command of this type was claimed after so long, and committed after so many seconds."""
        self._counter_of(kind, outcome).inc()
        self._duration_of(kind).observe(seconds)
        self._wait_of(kind).observe(waited)
