"""The primary dies, and the standby that takes its place lacks the last transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CliCluster
from tests.harness.cluster import free_address, showing_logs
from tests.harness.databases import make_database
from tests.harness.incident import Paged
from tests.harness.streaming import StreamingPair
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def pair() -> Iterator[StreamingPair]:
    """A primary and a standby that streams from it."""
    with StreamingPair() as pair:
        yield pair


def test_published_events_that_the_new_primary_lacks_stop_the_workers_until_a_rebase(
    pair: StreamingPair, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    url = pair.url(make_database(pair.primary))
    with showing_logs(CliCluster(url, kafka_bootstrap_servers, tmp_path)) as cluster:
        paged = Paged(cluster)
        with cluster.workload() as before:
            workers = [cluster.worker(http_address=free_address()) for _ in range(2)]
            cluster.await_shards()
            cluster.await_more(200)
            pair.stop_streaming()
            cluster.await_new(200)
        pair.fail_over()
        with cluster.workload(seed=2) as after:
            paged.hears("OutboxWorkersRefuse", *workers)
            wait_until(cluster.subscriber.at_the_end, 20, "no transaction is open")
            read = len(cluster.subscriber.received)
            wait_until(lambda: after.events > 200, 20, "the new primary is written to")
            paged.sees("refusing", "outbox-worker rebase")
            found = paged.is_told("postgres.history")
            assert found["run"] == ["outbox-worker rebase", "outbox-worker rebase --execute"]
            assert len(cluster.subscriber.received) == read, "a worker that refused has published"
            # They ask again and again, and nobody dies: `OutboxWorkersDie` stays silent.
            for worker in workers:
                assert worker.metrics().value("outbox_takeovers_total") <= 2
            said = paged.runs("OutboxWorkersRefuse")
            cluster.await_more(200)
        lost = before.ledger.committed - cluster.rows().keys()
        assert lost & {record.event_id for record in cluster.subscriber.received}
        assert "nothing is changed" in said
        paged.is_done()
        cluster.assert_exactly_once(excused=lost)
