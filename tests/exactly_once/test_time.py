"""The time of a record: when its event was written, or when it went out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.subscriber import Received

pytestmark = pytest.mark.slow

HOUR_MS: Final = 3_600_000
INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload, created_at)
    VALUES (%s, 'k', 'thing.changed.v1', '{}', now() - interval '1 hour')
    RETURNING event_id::text, floor(extract(epoch FROM created_at) * 1000)::bigint"""


def write_an_hour_ago(cluster: Cluster, topic: str) -> tuple[str, int]:
    """One event that has waited for an hour: its id, and when it was written (ms)."""
    with psycopg.connect(cluster.url) as connection:
        row = connection.execute(INSERT, (topic,)).fetchone()
    assert row is not None
    return row[0], row[1]


def read(cluster: Cluster, event_id: str) -> Received:
    """The one record of this event."""
    wait_until(lambda: cluster.subscriber.has_all({event_id}), 20, "the event is read")
    (found,) = [each for each in cluster.subscriber.received if each.event_id == event_id]
    return found


def test_a_record_has_the_time_of_the_insert(cluster: Cluster) -> None:
    event_id, written = write_an_hour_ago(cluster, cluster.topics[0])
    cluster.worker()
    assert read(cluster, event_id).time_ms == written


def test_a_record_has_the_time_of_its_publication_where_that_is_set(cluster: Cluster) -> None:
    before = int(time.time() * 1_000)
    event_id, _ = write_an_hour_ago(cluster, cluster.topics[0])
    cluster.worker(timestamp="publish")
    assert before <= read(cluster, event_id).time_ms < before + HOUR_MS


def test_a_topic_that_refuses_the_time_of_the_insert_is_named_with_the_setting(
    cluster: Cluster,
) -> None:
    topic = f"{cluster.name}.fresh"
    cluster.listen_to({topic: 1}, **{"message.timestamp.before.max.ms": "600000"})
    event_id, _ = write_an_hour_ago(cluster, topic)
    worker = cluster.worker()
    wait_until(lambda: worker.said("shard_held"), 20, "the worker says what is refused")
    (said, *_) = [line for line in worker.lines() if line.get("event") == "shard_held"]
    assert "INVALID_TIMESTAMP" in said["reason"]
    assert "OUTBOX_TIMESTAMP=publish" in said["hint"]
    assert worker.stop() == 0
    cluster.worker(timestamp="publish")
    read(cluster, event_id)
