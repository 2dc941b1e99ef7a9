"""Which topics take events: asked once each, before the first event goes there."""

from __future__ import annotations

from concurrent.futures import TimeoutError as NotYetError
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException

from outbox_worker.kafka import rights
from outbox_worker.kafka.admin import (
    CREATE_S,
    GRACE_S,
    Permission,
    ask_permission,
    least_in_sync,
    not_made,
    order_topic,
    unreachable,
)
from outbox_worker.kafka.clients import make_admin
from outbox_worker.position.row import ID, TOPIC, EventRow
from outbox_worker.relay.creation import Closed, Creation
from outbox_worker.relay.kafka_status import words
from outbox_worker.relay.shapes import Shapes
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

    from outbox_worker.relay.group import Group
    from outbox_worker.relay.shapes import Shape
    from outbox_worker.settings import Settings, TopicShape

MAKE_S: Final = 1.0
"""How long a new topic is waited for; one that takes longer is asked for again, as a missing one
is, and meanwhile other shards continue."""

NEED_S: Final = 2.0
"""How often the topic's setting is read anew while it has too few replicas."""

CREATE: Final = (
    "Create the topic (kafka-topics.sh --create --topic {}) or let the worker do it "
    "with OUTBOX_CREATE_TOPICS=partitions:replication; nothing is skipped meanwhile"
)

log = structlog.get_logger("relay")


class PendingTopic(NamedTuple):
    """A topic that is being created; after `until` no answer comes any more."""

    made: Future[None]
    until: Deadline


class Topics:
    """Knows the topics that were found, and makes missing ones where the settings say so."""

    def __init__(self, settings: Settings, group: Group) -> None:
        """Ask through the member's connection, which never makes a topic by asking."""
        self._settings = settings
        self._group = group
        self._known: set[str] = set()
        self._doubted: set[str] = set()
        self._shapes = Shapes(settings, group.leaders)
        self._admin: AdminClient | None = None
        self._orders: dict[str, PendingTopic] = {}
        self._creation = Creation(settings)
        self._need_rest = Deadline(0.0)

    def closed(self, names: Iterable[str]) -> dict[str, Closed]:
        """Those of `names` that take no event; `ServerError` where nobody answers."""
        wanted = set(names)
        self._shapes.look(wanted)
        faults = {name: self._find(name) for name in wanted - self._known}
        if faults:
            self._group.complaints.settle("topics")
        self._known.update(name for name, fault in faults.items() if fault is None)
        self._learn_needs(wanted)
        return {name: fault for name, fault in faults.items() if fault is not None}

    def leaderless(self, rows: Iterable[EventRow]) -> dict[int, Closed]:
        """By id the events whose partition takes no record; to be asked after `closed`."""
        leaders = self._group.leaders
        if not leaders.are_lacking:
            return {}
        asked = list(rows)
        names = {row[ID]: row[TOPIC] for row in asked}
        return {
            event: _partitions_closed(names[event], partitions, leaders.needed(names[event]))
            for event, partitions in leaders.blocked(asked).items()
        }

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """By topic, as it was found last."""
        return self._shapes.known

    def note_failure(self, code: int, reason: str) -> None:
        """A transaction came to nothing: a topic may have been deleted, so all are asked for anew.

        librdkafka says of no topic that it lost partitions, only that something timed out.
        """
        self._known.clear()
        self._group.leaders.ask_anew()
        self._shapes.hurry()
        self._group.note_failure(code, reason)

    def blame(self, code: int, names: Collection[str]) -> bool:
        """Whether this error of a transaction may lie in one of `names`; they are asked for anew.

        One may have been deleted, or a right on it taken away. Kafka does not say on which
        topic a right is missing; where it is on that of the shards, the answer is False.
        """
        if not names:
            return False
        if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            if self._ask_permission(ANCHOR_TOPIC, "READ") is Permission.DENIED:
                return False
            self._doubted.update(names)
        self._known.difference_update(names)
        return True

    def _learn_needs(self, wanted: Collection[str]) -> None:
        """Find out how many replicas topics need that lack some; anew while that is too few."""
        leaders = self._group.leaders
        names = {each for each in wanted if leaders.wants(each)}
        if self._need_rest.passed:
            self._need_rest = Deadline(NEED_S)
            names.update(leaders.short)
        for name in names:
            try:
                leaders.need(name, least_in_sync(self._client(), name))
            except KafkaException as error:
                if error.args[0].code() < 0:
                    self._begin_anew()
                if leaders.wants(name):
                    # Not to be asked for with each batch; after a failure it is asked for again.
                    leaders.need(name, 0)
                    log.warning(
                        "replicas_unknown",
                        topic=name,
                        error=words(error.args[0]),
                        hint=rights.on_topic(name, "DescribeConfigs"),
                    )

    def _find(self, name: str) -> Closed | None:
        try:
            fault = self._group.topic_fault(name)
        except KafkaException as error:
            self._group.complaints.note("topics", error.args[0].code(), words(error.args[0]))
            raise unreachable(error.args[0]) from error
        if fault is None:
            self._say_made(name)
            return self._find_out(name) if name in self._doubted else None
        shape = self._settings.create_topics
        if fault.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            return Closed(words(fault), _hint(fault, name))
        if shape is None:
            return Closed("the topic does not exist", CREATE.format(name))
        # What was ordered before is paid for.
        refused = None if name in self._orders else self._creation.refuses(name)
        if refused is not None:
            return refused
        return self._make(name, shape)

    def _make(self, name: str, shape: TopicShape) -> Closed | None:
        """Have it made: one order at a time, however long Kafka takes to carry it out."""
        patience = 0.0 if name in self._orders else MAKE_S
        order = self._orders.get(name) or self._order(name, shape)
        try:
            order.made.result(patience)
        except NotYetError:
            if order.until.passed:
                self._begin_anew()
            return Closed("Kafka has not made the topic yet", "See whether its controller is well")
        except KafkaException as error:
            return self._refused(error.args[0], name, shape)
        self._say_made(name)
        return None

    def _find_out(self, name: str) -> Closed | None:
        """Whether it is this topic to which we may not write."""
        permission = self._ask_permission(name, "WRITE")
        hint = rights.to_publish(name)
        if permission is Permission.DENIED:
            reason = "TOPIC_AUTHORIZATION_FAILED: Kafka does not let this user write to the topic"
            return Closed(reason, hint)
        self._doubted.discard(name)
        if permission is Permission.UNKNOWN:
            code = KafkaError.TOPIC_AUTHORIZATION_FAILED
            reason = f"TOPIC_AUTHORIZATION_FAILED: Kafka does not say whether it is for {name}"
            self._group.complaints.note("transaction", code, reason, hint)
        return None

    def _ask_permission(self, name: str, operation: str) -> Permission:
        """Whether Kafka lets us do this; unknown also where it does not answer."""
        try:
            return ask_permission(self._client(), name, operation)
        except KafkaException as error:
            code = error.args[0].code()
            if code < 0:
                self._begin_anew()
            denied = code == KafkaError.TOPIC_AUTHORIZATION_FAILED
            return Permission.DENIED if denied else Permission.UNKNOWN

    def _client(self) -> AdminClient:
        if self._admin is None:
            self._admin = make_admin(self._settings)
        return self._admin

    def _order(self, name: str, shape: TopicShape) -> PendingTopic:
        self._creation.spend()
        made = order_topic(self._client(), name, shape.partitions, shape.replication)
        order = PendingTopic(made, Deadline(CREATE_S + GRACE_S))
        self._orders[name] = order
        return order

    def _refused(self, fault: KafkaError, name: str, shape: TopicShape) -> Closed | None:
        del self._orders[name]
        self._creation.give_back()
        if fault.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return None
        if fault.code() < 0:
            self._begin_anew()
        error = not_made(fault, name, shape.partitions)
        return Closed(error.message, f"{error.hint}; or see OUTBOX_CREATE_TOPICS")

    def _begin_anew(self) -> None:
        """Ask through another client: one from before a restart of a broker may get no answer."""
        self._admin = None
        for _ in self._orders:
            # Nobody knows that it was created; a controller that is stuck uses up no budget.
            self._creation.give_back()
        self._orders.clear()

    def _say_made(self, name: str) -> None:
        if self._orders.pop(name, None) is not None:
            log.info("topic_created", topic=name)


def _partitions_closed(name: str, partitions: list[int], needed: int) -> Closed:
    """Why an event waits outside of transactions; `needed` replicas, or 0 where it is a leader."""
    if needed:
        return Closed(
            f"NOT_ENOUGH_REPLICAS: partitions {partitions} of the topic have fewer replicas in "
            f"sync than its min.insync.replicas={needed}",
            "Start the brokers that hold its other replicas again (kafka-topics.sh "
            f"--bootstrap-server BROKER:9092 --describe --topic {name} names them), or lower "
            "min.insync.replicas of the topic",
        )
    return Closed(
        f"LEADER_NOT_AVAILABLE: no leader for partitions {partitions} of the topic",
        "Start a broker that holds a replica of the partition again (kafka-topics.sh "
        "--bootstrap-server BROKER:9092 --describe --unavailable-partitions names them)",
    )


def _hint(fault: KafkaError, name: str) -> str:
    """What to do about a topic that the broker knows, or of which it does not say even that."""
    if fault.code() in rights.REFUSALS:
        return (
            f"{rights.to_publish(name)}; where the topic is not there yet, Kafka says the same: "
            "see that it is"
        )
    return "See the brokers; it is asked for again from time to time"
