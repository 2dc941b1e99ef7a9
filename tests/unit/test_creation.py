"""Writers choose names of topics: what a worker makes of them is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from confluent_kafka import KafkaError, KafkaException
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from outbox_worker.observe import metrics
from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.relay import topics as product
from outbox_worker.relay.creation import HOUR_S, Creation
from outbox_worker.relay.kafka_status import KafkaStatus
from outbox_worker.relay.leaders import Leaders
from outbox_worker.relay.topics import Topics
from outbox_worker.settings import Settings, TopicShape

if TYPE_CHECKING:
    from concurrent.futures import Future

    from outbox_worker.relay.group import Group

ABSENT: Final = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def settings(**given: Any) -> Settings:  # noqa: ANN401  as the settings say
    return Settings(
        database_url=SecretStr("postgresql://h/d"),
        kafka_bootstrap_servers="127.0.0.1:1",
        create_topics=TopicShape(partitions=1, replication=1),
        **given,
    )


@pytest.mark.parametrize(
    ("pattern", "topic", "allowed"),
    [
        ("*", "anything", True),
        ("orders", "orders", True),
        ("orders", "orders.eu", False),
        ("orders.*", "orders.eu", True),
        ("orders.*", "ordersXeu", False),
        ("shop.*.v1,  bills", "shop.order.v1", True),
        ("shop.*.v1,  bills", "shop.order.v2", False),
        ("shop.*.v1,  bills", "bills", True),
        ("shop.*.v1,  bills", "unpaid-bills", False),
    ],
)
def test_a_topic_is_created_where_a_pattern_allows_it(
    pattern: str, topic: str, *, allowed: bool
) -> None:
    refused = Creation(settings(create_topics_pattern=pattern)).refuses(topic)
    assert (refused is None) is allowed
    if refused is not None:
        assert "OUTBOX_CREATE_TOPICS_PATTERN" in refused.reason
        assert f"--topic {topic}" in refused.hint


def test_so_many_topics_are_created_at_once_and_then_evenly_over_the_hour() -> None:
    clock = Clock()
    creation = Creation(settings(create_topics_per_hour=10), clock)
    for _ in range(10):
        assert creation.refuses("orders") is None
        creation.spend()
    refused = creation.refuses("orders")
    assert refused is not None
    assert "OUTBOX_CREATE_TOPICS_PER_HOUR=10" in refused.reason
    clock.now += HOUR_S / 10 - 1
    assert creation.refuses("orders") is not None
    clock.now += 2
    assert creation.refuses("orders") is None
    creation.spend()
    assert creation.refuses("orders") is not None
    clock.now += 100 * HOUR_S
    created = 0
    while creation.refuses("orders") is None:
        creation.spend()
        created += 1
    assert created == 10, "what was not used is not saved up"


def test_a_topic_that_kafka_does_not_create_costs_nothing() -> None:
    creation = Creation(settings(create_topics_per_hour=1), Clock())
    for _ in range(5):
        assert creation.refuses("orders") is None
        creation.spend()
        creation.give_back()


class Member:
    """A member of the group whose broker has no topic but those that were made."""

    def __init__(self) -> None:
        self.complaints = KafkaStatus("group")
        self.leaders = Leaders()
        self.made: set[str] = set()

    def topic_fault(self, topic: str) -> KafkaError | None:
        return None if topic in self.made else ABSENT


class Made:
    """An order that Kafka carries out at once, or refuses."""

    def __init__(self, fault: KafkaError | None) -> None:
        self._fault = fault

    def result(self, _timeout: float) -> None:
        if self._fault is not None:
            raise KafkaException(self._fault)


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
def faults(member: Member, monkeypatch: pytest.MonkeyPatch) -> dict[str, KafkaError]:
    """By topic why Kafka does not make it."""
    found: dict[str, KafkaError] = {}

    def order(_admin: object, name: str, *_shape: int) -> Future[None]:
        fault = found.get(name)
        if fault is None:
            member.made.add(name)
        return cast("Future[None]", Made(fault))

    monkeypatch.setattr(product, "order_topic", order)
    return found


def test_a_writer_that_makes_up_names_holds_its_own_events_only(
    member: Member, faults: dict[str, KafkaError]
) -> None:
    assert faults == {}
    topics = Topics(settings(create_topics_per_hour=3), cast("Group", member))
    closed = topics.closed([f"made-up-{number}" for number in range(10)])
    assert len(member.made) == 3
    assert len(closed) == 7
    assert all("OUTBOX_CREATE_TOPICS_PER_HOUR" in each.reason for each in closed.values())
    assert topics.closed(member.made) == {}


def test_refused_orders_leave_the_topics_of_others_to_be_made(
    member: Member, faults: dict[str, KafkaError]
) -> None:
    faults["refused"] = KafkaError(KafkaError.POLICY_VIOLATION, "no")
    topics = Topics(settings(create_topics_per_hour=1), cast("Group", member))
    for _ in range(3):
        assert "refused" in topics.closed(["refused"])
    assert topics.closed(["orders"]) == {}


def test_a_controller_that_never_answers_uses_up_no_budget(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pending:
        def result(self, _timeout: float) -> None:
            raise TimeoutError

    monkeypatch.setattr(product, "order_topic", lambda *_: Pending())
    monkeypatch.setattr(product, "CREATE_S", 0.0)
    monkeypatch.setattr(product, "GRACE_S", 0.0)
    topics = Topics(settings(create_topics_per_hour=1), cast("Group", member))
    for _ in range(3):
        (closed,) = topics.closed(["slow"]).values()
        assert closed.reason == "Kafka has not made the topic yet"


def test_topics_beyond_the_first_have_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_TOPICS", 2)
    registry = CollectorRegistry()
    counted = RelayMetrics(registry)
    for topic in ("a", "b", "c", "d", "a", "c"):
        counted.count_published(topic, 10)
    (family,) = (each for each in registry.collect() if each.name == "outbox_events_published")
    totals = {
        sample.labels["topic"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert totals == {"a": 20, "b": 10, "other": 30}
