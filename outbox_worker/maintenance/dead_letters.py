"""Counts the open dead letters for the metrics, now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from outbox_worker.observe.dead_letters import UNKNOWN_AFTER_S
from outbox_worker.observe.metrics import MOST_TOPICS
from outbox_worker.stores import ledger
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from outbox_worker.observe.dead_letters import DeadLetterNumbers
    from outbox_worker.stores import Connection

INTERVAL_S: Final = 5.0
"""How often they are counted."""

REST: Final = 30
"""How many times as long as a count took to wait with the next."""


class DeadLetterCount:
    """`refresh` may be called as often as one likes."""

    def __init__(self, numbers: DeadLetterNumbers) -> None:
        """Show them as `numbers`."""
        self._numbers = numbers
        self._rest = Deadline(0.0)

    def refresh(self, connection: Connection) -> None:
        """Count, if that is due."""
        if not self._rest.passed:
            return
        began = time.monotonic()
        found = ledger.count_open(connection, MOST_TOPICS)
        rest = max(INTERVAL_S, REST * (time.monotonic() - began))
        self._numbers.keep(
            {each.topic: each.events for each in found},
            max((each.seconds for each in found), default=0.0),
            rest + UNKNOWN_AFTER_S,
        )
        self._rest = Deadline(rest)
