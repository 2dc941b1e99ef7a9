"""Positions that are being asked for, in a thread, while our other shards keep flowing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import KafkaException

from outbox_worker.relay.caller import Caller
from outbox_worker.settings import BACKOFF_MAX_S, BACKOFF_MIN_S

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from outbox_worker.relay.recovery import Recovery, Stored

log = structlog.get_logger("relay")


class Lookups:
    """Shards that wait to hear from Kafka where they stand; tried again until it answers."""

    def __init__(self, recovery: Recovery) -> None:
        """Ask through `recovery`, one question at a time."""
        self._recovery = recovery
        self._caller = Caller("lookup")
        self._wanted: set[int] = set()
        self._asked: frozenset[int] = frozenset()
        self._answer: Future[dict[int, Stored | None]] | None = None
        self._not_before = 0.0
        self._pause = BACKOFF_MIN_S
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the last question was not answered; empty once one is."""
        return self._trouble

    def want(self, shards: Iterable[int]) -> None:
        """Ask for these shards; an answer that is under way does not count for them."""
        self._wanted |= set(shards)
        self._asked -= self._wanted

    def drop(self, shards: Iterable[int]) -> None:
        """They are no longer ours."""
        gone = frozenset(shards)
        self._wanted -= gone
        self._asked -= gone

    def collect(self) -> dict[int, Stored | None]:
        """What has been answered since; asks what is still wanted."""
        found: dict[int, Stored | None] = {}
        if self._answer is not None and self._answer.done():
            found = self._take(self._answer)
            self._answer = None
        if self._answer is None and self._wanted and time.monotonic() >= self._not_before:
            self._asked, self._wanted = frozenset(self._wanted), set()
            self._answer = self._caller.submit(self._recovery.lookup, self._asked)
        return found

    def close(self) -> None:
        """Ask no more; a question under way ends by its own time-out."""
        self._caller.close()
        if self._answer is None or self._answer.done():
            self._recovery.close()

    def _take(self, answer: Future[dict[int, Stored | None]]) -> dict[int, Stored | None]:
        try:
            found = answer.result()
        except KafkaException as error:
            self._fail(error)
            return {}
        if self._trouble:
            log.info("kafka_back", after=self._trouble)
        self._trouble, self._pause = "", BACKOFF_MIN_S
        return {shard: stored for shard, stored in found.items() if shard in self._asked}

    def _fail(self, error: KafkaException) -> None:
        fault = error.args[0]
        if not self._trouble:
            log.warning("kafka_away", error=fault.name(), detail=fault.str())
        self._trouble = f"{fault.name()}: {fault.str()}"
        self._wanted |= self._asked
        self._not_before = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, BACKOFF_MAX_S)
