"""The transactional ids of one worker: one in use, others for when Kafka cannot end its last.

Kafka lets an id begin its next transaction once the last one is decided everywhere. Of one that
wrote to a partition that has lost its leader since, that is when the leader is back, however long
that takes. The worker then continues under another id. The shards of the undecided transaction are
not served meanwhile: their positions are pending in Kafka, and it does not tell them before they
are decided. Nor can such a transaction be committed behind our back: librdkafka asks for its end
only once its positions are acknowledged, which is when they are pending.
"""

from __future__ import annotations

from typing import Final

import structlog

from outbox_worker.timing.outage import Outage

COUNT: Final = 4
"""So many ids take turns. More would only be needed while the transactions of all of them hang."""

MARK: Final = "~"
FURTHER: Final = tuple(str(number) for number in range(2, COUNT + 1))

log = structlog.get_logger("relay")


class Ids:
    """Which id is in use, and which were left because of a transaction that does not end."""

    def __init__(self, worker: str) -> None:
        """Begin with the name of the worker itself."""
        self._all = [worker, *(f"{worker}{MARK}{each}" for each in FURTHER)]
        self._number = 0
        self._left: set[str] = set()
        self._outage = Outage()

    @property
    def now(self) -> str:
        """The id in use."""
        return self._all[self._number]

    @property
    def left(self) -> frozenset[str]:
        """Ids that this process moved on from: Kafka ends what they left open by itself."""
        return frozenset(self._left)

    def opened(self) -> None:
        """The id in use was let in."""
        self._outage.end()

    def move_on(self) -> None:
        """Take the next one; said once until one is let in."""
        before = self.now
        self._number = (self._number + 1) % COUNT
        self._left.add(before)
        self._left.discard(self.now)
        say = log.warning if self._outage.begin(before) else log.debug
        say(
            "transaction_undecided",
            id=before,
            next_id=self.now,
            meaning="Kafka cannot end the last transaction of this id, mostly because a partition "
            "has no leader; its shards wait for that, all others continue under the next id",
            hint="See kafka-topics.sh --describe --unavailable-partitions and the brokers",
        )


def worker_of(transactional_id: str) -> str:
    """The worker to which an id belongs, which is also its client id in the group."""
    worker, _, number = transactional_id.rpartition(MARK)
    return worker if worker and number in FURTHER else transactional_id
