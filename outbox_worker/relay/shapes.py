"""What the topics of events were when they were last looked at: deleted and made again, or wider.

librdkafka continues by itself with what it finds. A person hears of it here: keys that lie in other
partitions from now on, events of before that are gone with their topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from confluent_kafka import KafkaException, TopicCollection

from outbox_worker.kafka.admin import GRACE_S, METADATA_S, id_of
from outbox_worker.kafka.clients import make_admin
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    from confluent_kafka import Node
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._topic import TopicDescription

    from outbox_worker.relay.leaders import Leaders
    from outbox_worker.settings import Settings

LOOK_S: Final = 5.0
"""How often at most, while events come; at once after a transaction that failed."""

LEADERLESS_S: Final = 1.0
"""The same while a partition has no leader."""

log = structlog.get_logger("relay")


class Shape(NamedTuple):
    """One life of a topic. Its id is new when it is made again; "" on brokers that have none."""

    id: str
    partitions: int


class Shapes:
    """Looks from time to time, in the background: events never wait for an answer."""

    def __init__(self, settings: Settings, leaders: Leaders) -> None:
        """Ask through a client of its own; nothing is asked before `look`.

        `leaders` learns of partitions that have none.
        """
        self._settings = settings
        self._leaders = leaders
        self._names: set[str] = set()
        self._shapes: dict[str, Shape] = {}
        self._admin: AdminClient | None = None
        self._asked: dict[str, Future[TopicDescription]] = {}
        self._rest = self._answer_by = Deadline(0.0)

    @property
    def known(self) -> Mapping[str, Shape]:
        """By topic what was found last; for any thread."""
        return dict(self._shapes)

    def hurry(self) -> None:
        """Look with the next `look`."""
        self._rest = Deadline(0.0)

    def look(self, names: Iterable[str]) -> None:
        """Take the answers that have come; ask for these and earlier names when it is time."""
        self._names.update(names)
        if self._asked and all(each.done() for each in self._asked.values()):
            asked, self._asked = self._asked, {}
            for name, answer in asked.items():
                self._take(name, answer)
        elif self._asked and self._answer_by.passed:
            self._begin_anew()
        if not self._asked and self._rest.passed and self._names:
            self._rest = Deadline(LEADERLESS_S if self._leaders.are_lacking else LOOK_S)
            self._answer_by = Deadline(METADATA_S + GRACE_S)
            self._admin = self._admin or make_admin(self._settings)
            self._asked = self._admin.describe_topics(
                TopicCollection(sorted(self._names)), request_timeout=METADATA_S
            )

    def _take(self, name: str, answer: Future[TopicDescription]) -> None:
        try:
            found = answer.result(0)
        except KafkaException as error:
            if error.args[0].code() < 0:
                self._begin_anew()
            return  # Of a topic that is not there, or not ours to see, `Topics` tells.
        missing = [each.id for each in found.partitions if _is_nobody(each.leader)]
        in_sync = {
            each.id: len(each.isr)
            for each in found.partitions
            if len(each.isr) < len(each.replicas)
        }
        self._leaders.note(name, len(found.partitions), missing, in_sync)
        now = Shape(id_of(found), len(found.partitions))
        before = self._shapes.get(name)
        self._shapes[name] = now
        if before is None:
            log.debug("topic_seen", topic=name, partitions=now.partitions)
        elif before.id != now.id:
            log.warning(
                "topic_recreated",
                topic=name,
                partitions=now.partitions,
                before=before.partitions,
                meaning="what it held is gone; what was not yet published goes into the new topic",
            )
        elif before != now:
            log.warning(
                "partitions_changed",
                topic=name,
                partitions=now.partitions,
                before=before.partitions,
                meaning="keys lie in other partitions from now on; their order holds within each",
            )

    def _begin_anew(self) -> None:
        """Ask through another client: one from before a restart of a broker may get no answer."""
        self._admin = None
        self._asked = {}


def _is_nobody(leader: Node | None) -> bool:
    """Whether a partition has no leader, of which the declared type does not tell."""
    return leader is None
