"""A broker that does not allow what the worker wants: it makes do, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from pydantic import SecretStr

from outbox_worker.errors import BrokerLimitError
from outbox_worker.kafka import brokers
from outbox_worker.kafka.config import producer_config
from outbox_worker.local.ports import HOST, free_port
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS, Settings
from tests.cli.conftest import run_command
from tests.harness.brokers import own_broker
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.proxy import Proxy
from tests.harness.rights import GUARD, Right, Rights, on_anchor, on_group, on_transactions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer

pytestmark = pytest.mark.slow

STRICT: Final = {
    "auto.create.topics.enable": "false",
    "group.min.session.timeout.ms": "8000",
    "transaction.max.timeout.ms": "4000",
}

HOPELESS: Final = {
    "group.min.session.timeout.ms": "70000",
    "transaction.max.timeout.ms": "500",
}

MAY_DESCRIBE: Final = Right(ResourceType.BROKER, "kafka-cluster", AclOperation.DESCRIBE_CONFIGS)
"""What `kafka-acls.sh --operation DescribeConfigs --cluster` grants."""

FENCING: Final = b"\x00\x1c\x00\x00\x00\x05\x00"
NOT_FENCING: Final = b"\x00\x1c\x00\x00\x00\x02\x00"
"""In an answer to ApiVersions: TxnOffsetCommit (28) from version 0 to 5, as Kafka 4 offers it, and
to 2, as Kafka before 2.5 did."""


@pytest.fixture(scope="module")
def strict_kafka() -> Iterator[tuple[str, Proxy]]:
    """Its address, and the proxy of its second listener."""
    port = free_port()
    with (
        own_broker(settings=STRICT, proxied_port=port) as server,
        Proxy((HOST, server.behind_proxy), port=port) as proxy,
    ):
        yield server.bootstrap, proxy


@pytest.fixture
def strict(database: str, strict_kafka: tuple[str, Proxy], tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on it."""
    with showing_logs(Cluster(database, strict_kafka[0], tmp_path)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def hopeless_kafka() -> Iterator[KafkaServer]:
    """A broker on which no worker can be, and which asks at its second listener who comes."""
    with own_broker(settings={**GUARD, **HOPELESS}) as server:
        yield server


@pytest.fixture
def hopeless(database: str, hopeless_kafka: KafkaServer, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster on it."""
    with showing_logs(Cluster(database, hopeless_kafka.bootstrap, tmp_path)) as cluster:
        if cluster.partitions_of(ANCHOR_TOPIC) == 0:
            cluster.create_topics({ANCHOR_TOPIC: SHARDS})
        yield cluster


def test_a_worker_makes_do_with_what_the_broker_allows(strict: Cluster) -> None:
    with strict.workload():
        first, second = strict.workers(2)
        assert strict.partitions_of(ANCHOR_TOPIC) == SHARDS
        strict.await_more(200)
        first.kill()
        strict.worker()
        strict.await_new(200)
    assert second.said("session_timeout_raised", wanted=6_000, milliseconds=10_000)
    assert second.said("transaction_timeout_lowered", wanted=10_000, milliseconds=2_000)
    strict.assert_exactly_once()


def test_a_broker_with_limits_that_nothing_fits_ends_a_worker_with_both_values(
    hopeless: Cluster,
) -> None:
    done = run_command("run", **hopeless.settings)
    assert done.returncode == 3, done.stderr
    assert "sessions of 6000 to 60000 ms" in done.stderr
    assert "group.min.session.timeout.ms is 70000" in done.stderr
    assert "group.max.session.timeout.ms is 1800000" in done.stderr
    assert "Set group.min.session.timeout.ms of the brokers to 6000" in done.stderr


def test_a_limit_that_the_worker_may_not_read_is_named_with_what_it_tried(
    hopeless: Cluster, hopeless_kafka: KafkaServer, tmp_path: Path
) -> None:
    rights = Rights(hopeless_kafka)
    rights.give(on_anchor() | on_group(hopeless.name) | on_transactions(hopeless.name))
    stranger = {
        "kafka_bootstrap_servers": rights.bootstrap,
        "kafka_properties": rights.properties(tmp_path),
    }
    done = run_command("run", **{**hopeless.settings, **stranger})
    assert done.returncode == 3, done.stderr
    assert "sessions of 6000 to 60000 ms" in done.stderr
    assert "own value could not be read: CLUSTER_AUTHORIZATION_FAILED" in done.stderr
    assert "--operation DescribeConfigs --cluster" in done.stderr
    assert "70000" not in done.stderr
    rights.give(frozenset({MAY_DESCRIBE}))
    done = run_command("run", **{**hopeless.settings, **stranger})
    assert done.returncode == 3, done.stderr
    assert "group.min.session.timeout.ms is 70000" in done.stderr


def test_a_transaction_that_no_broker_takes_is_named_with_both_values(hopeless: Cluster) -> None:
    settings = Settings(
        database_url=SecretStr(hopeless.url), kafka_bootstrap_servers=hopeless.bootstrap
    )
    with pytest.raises(BrokerLimitError) as found:
        brokers.open_producer(producer_config(settings, hopeless.name))
    assert "is below 1000 ms" in found.value.message
    assert "10000 ms is what it wants" in found.value.message
    assert found.value.message.endswith("transaction.max.timeout.ms is 500")
    assert "10000 or more" in found.value.hint
    assert found.value.exit_code == 3


def test_a_broker_that_does_not_fence_is_refused(
    strict: Cluster, strict_kafka: tuple[str, Proxy]
) -> None:
    proxy = strict_kafka[1]
    proxy.rewrite(FENCING, NOT_FENCING)
    address = f"{HOST}:{proxy.port}"
    done = run_command("run", **{**strict.settings, "kafka_bootstrap_servers": address})
    proxy.heal()
    assert done.returncode == 3
    assert "Kafka is older than 2.5" in done.stderr
    assert "hint" in done.stderr
