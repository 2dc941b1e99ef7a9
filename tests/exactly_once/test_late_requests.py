"""A request that a broker gets late: its transaction was aborted, and another has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.ports import HOST, free_port
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.transaction import Transactions
from tests.harness.proxy import Proxy
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.kafka.config import Config
    from outbox_worker.position.row import EventRow

pytestmark = pytest.mark.slow

ADMIN_S: Final = 60.0
REQUEST_S: Final = 2.0
TOPIC: Final = "late"


def row(number: int, payload: bytes) -> EventRow:
    return (
        number,
        5,
        0,
        f"{number:012x}",
        TOPIC,
        "k",
        "type",
        "text/plain",
        "",
        None,
        payload,
        1,
        "w",
    )


def committed(bootstrap: str, until: bytes) -> list[bytes]:
    """What a reader of committed records finds, up to this one."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "late"})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    found: list[bytes] = []

    def read() -> bool:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(bytes(message.value() or b""))
        return until in found

    wait_until(read, ADMIN_S, "the last record is read")
    consumer.close()
    return found


def transact(transactions: Transactions, number: int, payload: bytes) -> None:
    """One record in a transaction, as the relay does it, without positions."""
    begin(transactions, number, payload).commit_transaction(ADMIN_S)


def begin(transactions: Transactions, number: int, payload: bytes) -> Producer:
    """A transaction with a record, under the id of the one before: what is late may meet it."""
    transactions.ids.take_turns()
    assert transactions.produce([row(number, payload)]) is None
    return transactions._require().producer


def retried_after(milliseconds: int) -> Config:
    return {"retry.backoff.ms": milliseconds, "retry.backoff.max.ms": milliseconds}


def undo(transactions: Transactions) -> None:
    """Abort as the relay does, also where the record was sent once more, for which it waits."""
    made = transactions._require()
    try:
        transactions._undo(made)
    except KafkaException:
        transactions._discard(made)
        transactions._open_s = ADMIN_S
        transactions.open()


def test_a_record_that_comes_late_is_not_read_and_costs_no_other(own_kafka: KafkaServer) -> None:
    Producer(
        {"bootstrap.servers": own_kafka.bootstrap, "transactional.id": "first"}
    ).init_transactions(ADMIN_S)  # The topic of transactions is made, on the first broker.
    port = free_port()
    config: Config = {
        "bootstrap.servers": f"{HOST}:{own_kafka.behind_proxy}",
        "transactional.id": "late",
        # The abort finds the record between two tries: sent again, it would not be late.
        **retried_after(20_000),
        "linger.ms": 0,
        "transaction.timeout.ms": 60_000,
        "socket.timeout.ms": int(REQUEST_S * 1_000),
        "delivery.report.only.error": True,
    }
    with (
        KafkaServer(joins=own_kafka, proxied_port=port) as second,
        Proxy((HOST, second.behind_proxy), port=port) as proxy,
    ):
        admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})
        wait_until(
            lambda: len(admin.list_topics(timeout=ADMIN_S).brokers) == 2, ADMIN_S, "both are there"
        )
        order = NewTopic(TOPIC, num_partitions=1, replica_assignment=[[2]])
        admin.create_topics([order])[TOPIC].result(ADMIN_S)
        transactions = Transactions(config, Sources("/test"))
        transactions.open()
        transact(transactions, 1, b"before")
        proxy.fall_silent()
        producer = begin(transactions, 2, b"late")
        # The request runs out of its time, and the record waits to be sent once more.
        producer.flush(REQUEST_S + 1)
        config.update(retried_after(100))  # A new producer has no time for such pauses.
        undo(transactions)
        producer = begin(transactions, 3, b"next")
        # The coordinator hears of the transaction first: before that, what is late is refused.
        assert producer.flush(REQUEST_S / 2) == 1
        proxy.heal()
        producer.commit_transaction(ADMIN_S)
        transact(transactions, 4, b"last")
        assert committed(own_kafka.bootstrap, b"last") == [b"before", b"next", b"last"]
