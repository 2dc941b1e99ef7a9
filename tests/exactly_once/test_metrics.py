"""What a running worker shows on `/metrics` is what happened."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until
from tests.harness.workers import ROOT, Metrics

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.machine_pauses import Calm
    from tests.harness.workers import Worker

pytestmark = pytest.mark.slow

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %(topic)s, %(key)s || n, 'thing.changed.v1', %(payload)s
    FROM generate_series(1, %(rows)s) AS n"""
TERMINATE: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'outbox-worker relay'"""
ADMIN_S: Final = 60.0
SHOWN_S: Final = 20.0
"""What is counted in the database is counted every 5 s."""

SUBJECT: Final = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", re.MULTILINE)


def write(
    cluster: Cluster, topic: str, rows: int = 1, *, key: str = "key ", payload: bytes = b"{}"
) -> None:
    """Some events in one transaction, each with a key of its own that begins with `key`."""
    values = {"topic": topic, "key": key, "rows": rows, "payload": payload}
    with psycopg.connect(cluster.url) as connection:
        connection.execute(INSERT, values)


def start(cluster: Cluster) -> Worker:
    """A worker that shows its metrics and serves all shards."""
    worker = cluster.worker(http_address=free_address())
    wait_until(lambda: cluster.share_all_shards([worker]), 30, "the worker serves all shards")
    return worker


def await_metrics(worker: Worker, name: str, value: float, **labels: str) -> Metrics:
    """The first scrape in which the metric has this value."""

    def shown() -> Metrics:
        found = worker.metrics()
        return found if found.value(name, **labels) == value else Metrics("")

    return wait_until(shown, SHOWN_S, f"{name} is {value}")


def outcomes(found: Metrics) -> dict[str, float]:
    """By outcome how many transactions there were."""
    return {
        each.labels["outcome"]: each.value
        for each in found.samples
        if each.name == "outbox_transaction_seconds_count"
    }


def let_pass(cluster: Cluster, topic: str, size: int) -> None:
    """Set the topic's limit."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    cluster.admin.incremental_alter_configs([resource])[resource].result(ADMIN_S)


def test_published_events_are_counted_once_each_and_a_lost_connection_too(
    cluster: Cluster, calm: Calm
) -> None:
    orders, notes = cluster.topics
    worker = start(cluster)
    for rows in (30, 1, 1):
        write(cluster, orders, rows)
    write(cluster, notes, 20)
    cluster.await_caught_up()
    found = await_metrics(worker, "outbox_events_published_total", 52)
    assert found.value("outbox_events_published_total", topic=orders) == 32
    assert found.value("outbox_events_published_total", topic=notes) == 20
    batches = found.value("outbox_batch_events_count")
    # Who loses its shards meanwhile continues in smaller batches.
    assert 1 <= batches <= (4 if calm else 52)
    assert found.value("outbox_batch_events_sum") == 52
    # With the claim of the shards, a transaction without events.
    assert outcomes(found).keys() == {"committed"} or not calm
    assert outcomes(found)["committed"] > batches
    assert found.value("outbox_transaction_seconds_sum") > 0
    assert found.value("outbox_insert_to_commit_seconds_count") == batches
    slow_s = SHOWN_S + calm.lost_s
    assert 0 < found.value("outbox_insert_to_commit_seconds_sum") < slow_s * batches
    assert found.value("outbox_read_seconds_count") >= batches
    assert 0 < found.value("outbox_read_seconds_sum") < slow_s
    assert found.value("outbox_shards_owned") == 16
    assert found.value("outbox_rebalances_total") >= 1
    for name in ("shards_held", "takeovers_total", "aborts_total", "reconnects_total"):
        assert found.value(f"outbox_{name}") == 0 or not calm, name

    with psycopg.connect(cluster.url) as connection:
        connection.execute(TERMINATE)
    write(cluster, orders)
    found = await_metrics(worker, "outbox_events_published_total", 53)
    assert found.value("outbox_reconnects_total", peer="postgres") >= 1
    assert found.value("outbox_reconnects_total") == 1 or not calm
    cluster.assert_exactly_once(least=53)


def test_an_event_that_waits_for_a_person_is_shown_until_it_flows(
    cluster: Cluster, calm: Calm
) -> None:
    topic = f"{cluster.name}.small"
    cluster.listen_to({topic: 1}, **{"max.message.bytes": "20000"})
    worker = start(cluster)
    write(cluster, topic, key="stuck ", payload=random.Random(1).randbytes(50_000))
    wait_until(lambda: worker.said("shard_held"), 20, "the event waits")
    # Also where nothing else happens.
    await_metrics(worker, "outbox_shards_held", 1)
    write(cluster, cluster.topics[0])
    assert len({row.shard for row in cluster.rows().values()}) == 2
    found = await_metrics(worker, "outbox_events_published_total", 1)
    refused = found.value("outbox_aborts_total", reason="MSG_SIZE_TOO_LARGE")
    assert refused >= 1
    assert found.value("outbox_aborts_total") == refused or not calm
    assert outcomes(found)["rejected"] == refused
    found = await_metrics(worker, "outbox_unpublished_events", 1)
    assert 0 < found.value("outbox_oldest_unpublished_age_seconds") < 60 + calm.lost_s
    let_pass(cluster, topic, 100_000)
    cluster.await_caught_up()
    await_metrics(worker, "outbox_unpublished_events", 0)
    found = await_metrics(worker, "outbox_shards_held", 0)
    assert found.value("outbox_oldest_unpublished_age_seconds") == 0
    assert found.value("outbox_events_published_total", topic=topic) == 1


def test_a_takeover_is_counted_by_whoever_takes_over(cluster: Cluster, calm: Calm) -> None:
    victim = start(cluster)
    heir = cluster.worker(http_address=free_address())
    cluster.await_shards()
    victim.kill()
    cluster.await_shards(heir)
    await_metrics(heir, "outbox_shards_owned", 16)
    wait_until(lambda: takeovers(heir) >= 1, SHOWN_S, "it counts what it took over")
    assert takeovers(heir) == 1 or not calm
    assert heir.metrics().value("outbox_rebalances_total") >= 2


def takeovers(worker: Worker) -> float:
    return worker.metrics().value("outbox_takeovers_total")


def test_the_metrics_of_the_handbook_are_those_of_a_worker(cluster: Cluster) -> None:
    handbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    chapter = handbook.partition("## Metrics and health")[2].partition("## ")[0]
    told = {name.strip("`") for cell in SUBJECT.findall(chapter) for name in cell.split(", ")}
    names = wait_until(start(cluster).metrics, SHOWN_S, "metrics are shown").names
    assert told == {name for name in names if not name.endswith("_created")}
