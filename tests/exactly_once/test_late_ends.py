"""The end of a transaction, or its positions, that a broker gets late: after they were sent anew.

librdkafka sends a request once more where its connection is lost. What was lost with the
connection may still arrive, and by then the producer is in its next transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from outbox_worker.local.ports import HOST, free_port
from outbox_worker.relay.outcome import Committed
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.transaction import Transactions
from tests.harness.brokers import own_broker
from tests.harness.detour import END_TXN, TXN_OFFSET_COMMIT, Detour
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.kafka.config import Config
    from outbox_worker.local.kafka import KafkaServer

pytestmark = pytest.mark.slow

ADMIN_S: Final = 60.0
PARTITIONS: Final = 2


@pytest.fixture(scope="module")
def late_kafka() -> Iterator[tuple[KafkaServer, Detour]]:
    """A broker with a second listener whose clients all take a detour."""
    port = free_port()
    with (
        own_broker(proxied_port=port) as server,
        Detour((HOST, server.behind_proxy), port) as detour,
    ):
        yield server, detour


class Late:
    """A relay's producer on the detour, and what readers of committed records get."""

    def __init__(self, server: KafkaServer, detour: Detour, name: str) -> None:
        self.server, self.detour, self.topic = server, detour, name
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        admin.create_topics([NewTopic(name, num_partitions=2)])[name].result(ADMIN_S)
        config: Config = {
            "bootstrap.servers": f"{HOST}:{detour.port}",
            "log_level": 0,
            "transactional.id": name,
            "retry.backoff.ms": 2,
            "linger.ms": 0,
            "transaction.timeout.ms": 30_000,
            "delivery.report.only.error": True,
        }
        # A new broker lets the first of an id wait for longer than a worker does.
        Producer(config).init_transactions(ADMIN_S)
        self.transactions = Transactions(config, Sources("/test"))
        self.group = Consumer({"bootstrap.servers": server.bootstrap, "group.id": name})
        self.transactions.open()
        self.write(0, b"before")
        self.end()

    def write(self, partition: int, payload: bytes) -> Producer:
        """Begin a transaction with a record that the broker has taken.

        Under the id of the one before: what comes late of that one may meet it.
        """
        self.transactions.ids.take_turns()
        assert self.transactions.produce([]) is None
        return self.add(partition, payload)

    def add(self, partition: int, payload: bytes) -> Producer:
        """One more record of it."""
        producer = self.transactions._require().producer
        producer.produce(self.topic, payload, partition=partition)
        assert producer.flush(ADMIN_S) == 0
        return producer

    def end(self, offset: int | None = None) -> None:
        """Commit, as the relay does it."""
        offsets = [] if offset is None else [TopicPartition(self.topic, 0, offset)]
        member = bytes(self.group.consumer_group_metadata())
        assert isinstance(self.transactions.finish(offsets, member), Committed)

    def undo(self) -> None:
        """Abort, as the relay does it."""
        made = self.transactions._require()
        try:
            self.transactions._undo(made)
        except KafkaException:
            self.transactions._discard(made)
            self.transactions.open()

    def read(self) -> list[bytes]:
        """What a reader of committed records finds, up to a last one of each partition."""
        for partition in range(PARTITIONS):
            self.write(partition, b"last")
            self.end()
        consumer = Consumer({"bootstrap.servers": self.server.bootstrap, "group.id": self.topic})
        consumer.assign([TopicPartition(self.topic, n, 0) for n in range(PARTITIONS)])
        found: list[bytes] = []

        def read() -> bool:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                found.append(bytes(message.value() or b""))
            return found.count(b"last") == PARTITIONS

        wait_until(read, ADMIN_S, "the last records are read")
        consumer.close()
        return sorted(each for each in found if each != b"last")


@pytest.fixture
def late(late_kafka: tuple[KafkaServer, Detour], request: pytest.FixtureRequest) -> Late:
    """A producer, a topic and a group of the test's own."""
    return Late(*late_kafka, f"late-{request.node.name[:40]}")


def test_a_commit_that_comes_late_does_not_commit_the_next_transaction(late: Late) -> None:
    late.write(0, b"committed")
    late.detour.hold(END_TXN)
    late.end()
    assert late.detour.holds
    late.write(0, b"aborted")
    late.detour.let_go()
    late.undo()
    assert late.read() == [b"before", b"committed"]


def test_an_abort_that_comes_late_does_not_abort_the_next_transaction(late: Late) -> None:
    late.write(0, b"aborted")
    late.detour.hold(END_TXN)
    late.undo()
    assert late.detour.holds
    late.write(0, b"first half")
    late.detour.let_go()
    late.add(1, b"second half")
    late.end()
    assert late.read() == [b"before", b"first half", b"second half"]


def test_positions_that_come_late_do_not_replace_newer_ones(late: Late) -> None:
    late.write(0, b"first")
    late.detour.hold(TXN_OFFSET_COMMIT)
    late.end(1)
    assert late.detour.holds
    producer = late.write(0, b"second")
    member = late.group.consumer_group_metadata()
    producer.send_offsets_to_transaction([TopicPartition(late.topic, 0, 2)], member, ADMIN_S)
    late.detour.let_go()
    late.end()
    assert [each.offset for each in late.group.committed([TopicPartition(late.topic, 0)])] == [2]
