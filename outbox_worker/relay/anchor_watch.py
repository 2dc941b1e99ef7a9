"""The topic of the shards beside a worker that runs: deleted, or made again by somebody else.

With fewer partitions than shards the group would work on and leave shards without anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.errors import SettingsError
from outbox_worker.kafka import anchor
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from confluent_kafka import Consumer

LOOKS: Final = 3
LOOK_AGAIN_S: Final = 2.0
"""So often, so far apart, it must be wrong: a broker that has just started may not know it yet."""

LOOK_S: Final = 0.5


class Anchor:
    """Looks at the topic when there is a reason to doubt it."""

    def __init__(self, consumer: Consumer) -> None:
        """Ask through the member's connection."""
        self._consumer = consumer
        self._rest: Deadline | None = None
        self._wrong = 0

    def doubt(self) -> None:
        """Look at it with the next `look`."""
        if self._rest is None:
            self._rest, self._wrong = Deadline(0.0), 0

    def look(self) -> None:
        """See whether there is a partition for each shard; `SettingsError` where there is not."""
        if self._rest is None or not self._rest.passed:
            return
        self._rest = Deadline(LOOK_AGAIN_S)
        found = self._count()
        if found is None:
            return
        try:
            anchor.check(found)
        except SettingsError:
            self._wrong += 1
            if self._wrong >= LOOKS:
                raise
        else:
            self._rest = None

    def _count(self) -> int | None:
        """How many partitions there are; None where no broker says."""
        try:
            found = self._consumer.list_topics(ANCHOR_TOPIC, timeout=LOOK_S).topics[ANCHOR_TOPIC]
        except KafkaException:
            return None  # The member's own errors tell of brokers that are away.
        if found.error is None:
            return len(found.partitions)
        return 0 if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART else None
