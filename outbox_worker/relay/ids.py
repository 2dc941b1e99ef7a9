"""The transactional ids of one worker: two take turns, others for when Kafka cannot end one.

Kafka answers that a transaction is committed before every partition has heard of it, and lets the
same id begin its next one only after that: two in turn do not wait for it.

Of an id that wrote to a partition that has lost its leader since, that is when the leader is back,
however long that takes. The worker then continues under others. The shards of the undecided
transaction are not served meanwhile: their positions are pending in Kafka, and it does not tell
them before they are decided. Nor can such a transaction be committed behind our back: librdkafka
asks for its end only once its positions are acknowledged, which is when they are pending.
"""

from __future__ import annotations

from typing import Final

import structlog

from outbox_worker.timing.outage import Outage

COUNT: Final = 4
"""So many ids there are. More would only be needed while the transactions of all of them hang."""

MARK: Final = "~"
FURTHER: Final = tuple(str(number) for number in range(2, COUNT + 1))

log = structlog.get_logger("relay")


class Ids:
    """Which two ids are in use, and which were left because of a transaction that does not end."""

    def __init__(self, worker: str) -> None:
        """Begin with the name of the worker itself, and the second id."""
        self._all = _ids_of(worker)
        self._number = 0
        self._is_second = True
        self._left: set[str] = set()
        self._outage = Outage()

    @property
    def pair(self) -> tuple[str, str]:
        """The ids in use."""
        return self._all[self._number], self._all[(self._number + 1) % COUNT]

    @property
    def owner(self) -> str:
        """The first of the pair: claims name it, and so tell of both (see `pair_of`)."""
        return self.pair[0]

    @property
    def now(self) -> str:
        """The id of the transaction under way, or of the last one."""
        return self.pair[self._is_second]

    @property
    def left(self) -> frozenset[str]:
        """Ids that this process moved on from: Kafka ends what they left open by itself."""
        return frozenset(self._left)

    def take_turns(self) -> str:
        """The id of the next transaction."""
        self._is_second = not self._is_second
        return self.now

    def opened(self) -> None:
        """Both ids in use were let in."""
        self._outage.end()

    def move_on(self, stuck: str) -> None:
        """Take the pair after the id that is `stuck`; said once until one is let in."""
        at = self._all.index(stuck)
        before, self._number = self.pair, (at + 1) % COUNT
        self._left.update(before)
        self._left.difference_update(self.pair)
        say = log.warning if self._outage.begin("no transaction may begin") else log.debug
        say(
            "transaction_undecided",
            id=stuck,
            next_ids=self.pair,
            meaning="Kafka cannot end the last transaction of this id, mostly because a partition "
            "has no leader; its shards wait for that, all others continue under the next ids",
            hint="See kafka-topics.sh --describe --unavailable-partitions and the brokers",
        )


def worker_of(transactional_id: str) -> str:
    """The worker to which an id belongs, which is also its client id in the group."""
    worker, _, number = transactional_id.rpartition(MARK)
    return worker if worker and number in FURTHER else transactional_id


def pair_of(owner: str) -> tuple[str, str]:
    """The ids under which a worker published whose claims name `owner`."""
    ids = _ids_of(worker_of(owner))
    return owner, ids[(ids.index(owner) + 1) % COUNT]


def _ids_of(worker: str) -> list[str]:
    return [worker, *(f"{worker}{MARK}{each}" for each in FURTHER)]
