"""Connections are cut in mid-request and fall silent, on either side of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.ports import HOST, free_port
from tests.harness.brokers import own_broker
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.databases import through
from tests.harness.proxy import Proxy
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.kafka import KafkaServer
    from outbox_worker.local.postgres import PostgresServer

pytestmark = pytest.mark.slow

WRITE: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %(topic)s, 'key-' || n %% 50, 'thing.changed.v1',
           convert_to(rpad(n::text, %(bytes)s, '.'), 'UTF8')
    FROM generate_series(1, %(events)s) AS n"""

THIN: Final = 100_000
"""Bytes a second."""


def test_connections_to_postgres_are_cut_in_mid_request(
    cluster: Cluster, postgres: PostgresServer
) -> None:
    with Proxy((HOST, postgres.port)) as proxy:
        with cluster.workload():
            url = through(cluster.url, proxy.port)
            behind = [cluster.worker(database_url=url) for _ in range(2)]
            cluster.worker()
            cluster.await_shards()
            proxy.cut_after(500, 20_000)
            wait_until(lambda: proxy.cuts >= 20, 40, "20 connections are cut")
            proxy.heal()
            proxy.cut()
            cluster.await_more(200)
            assert all(worker.alive for worker in behind)
            wait_until(
                lambda: all(worker.said("database_away") for worker in behind),
                10,
                "both say that they lost the database",
            )
        cluster.assert_exactly_once()


def test_postgres_falls_silent_and_speaks_again(cluster: Cluster, postgres: PostgresServer) -> None:
    with Proxy((HOST, postgres.port)) as proxy:
        with cluster.workload():
            cluster.worker(database_url=through(cluster.url, proxy.port))
            cluster.workers(1)
            proxy.fall_silent()
            cluster.await_more(300)
            proxy.heal()
            cluster.await_more(300)
        cluster.assert_exactly_once()


@dataclass(frozen=True)
class Proxied:
    """A cluster, and the address of its broker as a client behind the proxy sees it."""

    cluster: Cluster
    proxy: Proxy
    bootstrap: str


@pytest.fixture(scope="module")
def proxied_kafka() -> Iterator[tuple[KafkaServer, Proxy]]:
    """A broker with a second listener whose clients all go through a proxy."""
    port = free_port()
    with (
        own_broker(proxied_port=port) as server,
        Proxy((HOST, server.behind_proxy), port=port) as proxy,
    ):
        yield server, proxy


@pytest.fixture
def proxied(
    proxied_kafka: tuple[KafkaServer, Proxy], database: str, tmp_path: Path
) -> Iterator[Proxied]:
    """A cluster on the broker with a proxy."""
    server, proxy = proxied_kafka
    with showing_logs(Cluster(database, server.bootstrap, tmp_path)) as cluster:
        yield Proxied(cluster, proxy, f"{HOST}:{proxy.port}")
        proxy.heal()


def test_connections_to_kafka_are_cut_in_mid_request(proxied: Proxied) -> None:
    cluster, proxy = proxied.cluster, proxied.proxy
    with cluster.workload():
        behind = [cluster.worker(kafka_bootstrap_servers=proxied.bootstrap) for _ in range(2)]
        cluster.worker()
        cluster.await_shards()
        before = proxy.cuts
        proxy.cut_after(500, 20_000)
        wait_until(lambda: proxy.cuts - before >= 30, 40, "30 connections are cut")
        proxy.heal()
        proxy.cut()
        cluster.await_more(200)
        assert all(worker.alive for worker in behind)
    cluster.assert_exactly_once()


def test_kafka_falls_silent_for_longer_than_a_session_and_speaks_again(proxied: Proxied) -> None:
    cluster, proxy = proxied.cluster, proxied.proxy
    with cluster.workload():
        behind = cluster.worker(kafka_bootstrap_servers=proxied.bootstrap)
        other = cluster.worker()
        cluster.await_shards()
        proxy.fall_silent()
        wait_until(lambda: len(other.shards) == 16, 30, "the other worker has all shards")
        cluster.await_more(100)
        proxy.heal()
        cluster.await_more(200)
        assert behind.alive
    cluster.assert_exactly_once()


def test_answers_of_kafka_take_half_a_second(proxied: Proxied) -> None:
    cluster, proxy = proxied.cluster, proxied.proxy
    with cluster.workload(pause_s=0.05):
        cluster.worker(kafka_bootstrap_servers=proxied.bootstrap)
        cluster.worker()
        cluster.await_shards()
        proxy.delay(0.25)
        cluster.await_more(300)
        proxy.heal()
        cluster.await_more(100)
    cluster.assert_exactly_once(least=300)


def write(cluster: Cluster, topic: str, events: int, size: int) -> None:
    """So many events of so many bytes, in one transaction."""
    with psycopg.connect(cluster.url) as connection:
        connection.execute(WRITE, {"topic": topic, "events": events, "bytes": size})


def test_over_a_thin_link_batches_shrink_until_they_fit_and_grow_back(proxied: Proxied) -> None:
    cluster, proxy = proxied.cluster, proxied.proxy
    write(cluster, cluster.topics[0], 8_000, 1_000)
    proxy.throttle(THIN)
    worker = cluster.worker(kafka_bootstrap_servers=proxied.bootstrap)
    cluster.await_more(500)
    warnings = [line for line in worker.lines() if line["event"] == "batches_shrunk"]
    assert len(warnings) == 1, "said once while it lasts"
    assert "link" in warnings[0]["hint"]
    assert "OUTBOX_BATCH_BYTES" in warnings[0]["hint"]
    assert len(cluster.subscriber.event_ids) < 8_000, "the link was not thin"
    proxy.heal()
    cluster.await_caught_up()
    write(cluster, cluster.topics[1], 20_000, 1_000)
    cluster.assert_exactly_once(least=28_000)
    assert worker.said("batches_grown")


def test_an_event_that_takes_longer_than_a_transaction_is_named_and_others_flow(
    proxied: Proxied,
) -> None:
    cluster, proxy = proxied.cluster, proxied.proxy
    wide = f"{cluster.name}.wide"
    cluster.listen_to({wide: 1}, **{"max.message.bytes": "10000000"})
    cluster.take_larger_events()
    write(cluster, wide, 1, 3_000_000)
    ((large, row),) = cluster.rows().items()
    proxy.throttle(THIN)
    worker = cluster.worker(kafka_bootstrap_servers=proxied.bootstrap)
    named = {"event_id": large, "id": row.id, "topic": wide, "shard": row.shard}
    wait_until(lambda: worker.said("shard_held", **named), 60, "the event is named")
    write(cluster, cluster.topics[0], 200, 100)
    others = {event for event, each in cluster.rows().items() if each.shard != row.shard}
    wait_until(lambda: cluster.subscriber.has_all(others), 60, "the others are read")
    assert not cluster.subscriber.has_all({large})
    proxy.heal()
    cluster.assert_exactly_once(least=201)
    assert worker.said("shard_released")
