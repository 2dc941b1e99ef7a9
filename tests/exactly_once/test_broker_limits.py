"""A broker that does not allow what the worker wants: it makes do, or says why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from pydantic import SecretStr

from outbox_worker import brokers
from outbox_worker import kafka as clients
from outbox_worker.errors import BrokerLimitError
from outbox_worker.local.ports import HOST, free_port
from outbox_worker.settings import Settings
from tests.cli.conftest import run_command
from tests.harness.brokers import own_broker
from tests.harness.proxy import Proxy
from tests.harness.scene import Scene, showing_logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

STRICT: Final = {"group.min.session.timeout.ms": "8000", "transaction.max.timeout.ms": "4000"}

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
def strict(database: str, strict_kafka: tuple[str, Proxy], tmp_path: Path) -> Iterator[Scene]:
    """A scene on it."""
    with showing_logs(Scene(database, strict_kafka[0], tmp_path)) as scene:
        yield scene


def test_a_worker_makes_do_with_what_the_broker_allows(strict: Scene) -> None:
    with strict.workload():
        first, second = strict.workers(2)
        strict.await_more(200)
        first.kill()
        strict.worker()
        strict.await_new(200)
    assert second.said("session_longer", wanted=6_000, milliseconds=10_000)
    assert second.said("transactions_shorter", wanted=10_000, milliseconds=2_000)
    strict.prove()


def test_limits_that_nothing_fits_are_named(strict: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        database_url=SecretStr(strict.url), kafka_bootstrap_servers=strict.bootstrap
    )
    monkeypatch.setattr(brokers, "SHORTER_MS", (5_000,))
    with pytest.raises(
        BrokerLimitError, match=r"transaction.max.timeout.ms is below 5000"
    ) as found:
        brokers.open_producer(clients.producer_config(settings, strict.name))
    assert "10000 or more" in found.value.way_out
    assert found.value.exit_code == 3
    with pytest.raises(BrokerLimitError, match=r"group.min.session.timeout.ms") as found:
        brokers.longer_session(60_000)
    assert "6000" in found.value.way_out


def test_a_broker_that_does_not_fence_is_refused(
    strict: Scene, strict_kafka: tuple[str, Proxy]
) -> None:
    proxy = strict_kafka[1]
    proxy.rewrite(FENCING, NOT_FENCING)
    address = f"{HOST}:{proxy.port}"
    done = run_command("run", **{**strict.settings, "kafka_bootstrap_servers": address})
    proxy.heal()
    assert done.returncode == 3
    assert "Kafka is older than 2.5" in done.stderr
    assert "way out" in done.stderr
