"""What every test of lost history asks: the worker refuses, `rebase` mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_END, TopicPartition

from tests.harness.cluster import free_address
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.workers import Worker

REFUSE_S = 20.0


def refusing_worker(cluster: Cluster, **settings: str) -> Worker:
    """Start a worker and see that it refuses: alive, not ready, publishing nothing, loudly."""
    wait_until(cluster.subscriber.at_the_end, REFUSE_S, "no transaction is open")
    before = len(cluster.subscriber.received)
    worker = cluster.worker(http_address=free_address(), **settings)
    wait_until(lambda: worker.said("history_lost"), REFUSE_S, "the worker refuses")
    (line,) = [each for each in worker.lines() if each.get("event") == "history_lost"]
    assert line["level"] == "error"
    assert "outbox-worker rebase" in line["hint"]
    wait_until(lambda: worker.ready()[0] == 503, REFUSE_S, "/readyz says that it is not ready")
    wait_until(cluster.subscriber.at_the_end, REFUSE_S, "no transaction is open")
    assert len(cluster.subscriber.received) == before, "a worker that refused has published"
    assert worker.alive
    return worker


def rebase(cluster: Cluster, worker: Worker) -> None:
    """Look at the plan, carry it out, and see that the worker that refused continues by itself."""
    cluster.run("rebase")
    assert not worker.said("history_mended")
    cluster.run("rebase", "--execute")
    wait_until(lambda: worker.said("history_mended"), REFUSE_S, "the worker continues by itself")
    wait_until(lambda: worker.ready()[0] == 200, REFUSE_S, "/readyz says that it is ready")


def drop_records(cluster: Cluster, topic: str, before: int = OFFSET_END) -> None:
    """Delete the records of partition 0 below an offset, all by default, as retention would."""
    places = [TopicPartition(topic, 0, before)]
    for answer in cluster.admin.delete_records(places).values():
        answer.result(patient(60))
