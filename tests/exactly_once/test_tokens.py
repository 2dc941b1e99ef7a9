"""Kafka lets the worker in by tokens that are good for seconds (OAUTHBEARER, OIDC)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.ports import HOST
from tests.harness.brokers import own_broker
from tests.harness.cluster import Cluster
from tests.harness.tokens import BROKER, LIFE_S, token_endpoint
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.tokens import TokenEndpoint

PUBLISH: Final = "SELECT outbox.publish(%s, 'key', 'type', '{}'::jsonb)"
WAITING: Final = "SELECT sum(events) FROM outbox.lag"
FLOWS_S: Final = 60.0


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """Where tokens come from."""
    with token_endpoint() as server:
        yield server


def test_events_flow_on_when_the_tokens_of_the_beginning_are_no_good_any_more(
    database: str, endpoint: TokenEndpoint, tmp_path: Path
) -> None:
    properties = tmp_path / "kafka.properties"
    properties.write_text(endpoint.properties)
    with (
        own_broker(settings=BROKER) as broker,
        Cluster(database, broker.bootstrap, tmp_path) as cluster,
    ):
        worker = cluster.worker(
            kafka_bootstrap_servers=f"{HOST}:{broker.behind_proxy}",
            kafka_properties=str(properties),
        )
        with psycopg.connect(database, autocommit=True) as link:

            def publish() -> None:
                link.execute(PUBLISH, (cluster.topics[0],))
                wait_until(lambda: link.execute(WAITING).fetchone() == (0,), FLOWS_S, "it is out")

            publish()
            first = endpoint.given
            assert first > 0
            wait_until(
                lambda: endpoint.given >= 2 * first, 2 * LIFE_S, "all clients asked for new tokens"
            )
            publish()
        cluster.assert_exactly_once(least=2)
        assert "client-s3cret" not in worker.log.read_text()
