"""What is counted in the database is shown as long as it is known, and no longer."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql as identifiers
from structlog.testing import capture_logs

from outbox_worker.maintenance import gauges as gauges_module
from outbox_worker.maintenance.gauges import command_gauges, lag_gauges
from outbox_worker.observe.commands import CommandMetrics
from outbox_worker.observe.health import Health
from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.position.codec import encode
from outbox_worker.position.position import Position, Witness
from outbox_worker.position.snapshot import NOTHING
from outbox_worker.stores import last_purge

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

NAMES: Final = ("outbox_unpublished_events", "outbox_oldest_unpublished_age_seconds")
INSERT: Final = "SELECT outbox.publish('t', 'k', 'v', '1'::jsonb)"
SET_ASIDE: Final = """
    WITH aside AS (
        INSERT INTO outbox.command (type, key, actor, payload, status, error, finished_at)
        VALUES ('T', 'k', 'a', '{}', 'rejected', '{}', now()) RETURNING command_id)
    INSERT INTO outbox.command_history (command_id, what, attempt, written_by)
    SELECT command_id, 'set_aside', 1, 'w' FROM aside"""
CLOSE: Final = identifiers.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
MIRROR: Final = """
    INSERT INTO outbox.position (shard, group_name, batch, position, seen, floor, worker)
    VALUES (0, 'group', 1, %s, '1:1:', 0, 'w')
"""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@contextmanager
def closed(postgres: PostgresServer, url: str) -> Iterator[None]:
    """The database lets nobody in for as long as the block lasts."""
    name = identifiers.Identifier(url.rpartition("/")[2])
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(CLOSE.format(name, identifiers.SQL("false")))
        try:
            yield
        finally:
            admin.execute(CLOSE.format(name, identifiers.SQL("true")))


def shown(registry: CollectorRegistry) -> list[float | None]:
    return [registry.get_sample_value(name) for name in NAMES]


def is_unknown(registry: CollectorRegistry) -> bool:
    return all(value is not None and math.isnan(value) for value in shown(registry))


def said(logs: Sequence[MutableMapping[str, object]]) -> list[tuple[object, object]]:
    return [(line["event"], line["log_level"]) for line in logs if line["log_level"] != "debug"]


def test_before_the_first_count_nothing_is_claimed(
    database: str, registry: CollectorRegistry
) -> None:
    gauges = lag_gauges(database, RelayMetrics(registry), Health())
    assert is_unknown(registry)
    gauges.run_once()
    assert shown(registry) == [0, 0]


def test_a_count_that_fails_for_long_is_shown_as_unknown_and_said_once(
    connection: Connection, database: str, postgres: PostgresServer, registry: CollectorRegistry
) -> None:
    connection.execute(INSERT)
    gauges = lag_gauges(database, RelayMetrics(registry), Health(), unknown_after_s=0)
    with capture_logs() as logs:
        gauges.run_once()
        assert shown(registry)[0] == 1
        with closed(postgres, database):
            gauges.run_once()
            assert is_unknown(registry)
            gauges.run_once()
        gauges.run_once()
        gauges.run_once()
    assert shown(registry)[0] == 1
    assert said(logs) == [("counts_absent", "warning"), ("counts_back", "info")]
    (warning,) = [line for line in logs if line["event"] == "counts_absent"]
    assert warning["of"] == "relay"
    assert "not currently accepting connections" in warning["error"]


def test_a_count_that_fails_for_a_moment_keeps_its_last_result(
    connection: Connection, database: str, postgres: PostgresServer, registry: CollectorRegistry
) -> None:
    connection.execute(INSERT)
    gauges = lag_gauges(database, RelayMetrics(registry), Health())
    with capture_logs() as logs:
        gauges.run_once()
        with closed(postgres, database):
            gauges.run_once()
            assert shown(registry)[0] == 1
    assert said(logs) == []


def test_a_count_that_takes_too_long_is_unknown(
    connection: Connection,
    database: str,
    registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gauges = lag_gauges(database, RelayMetrics(registry), Health(), unknown_after_s=0.1)
    gauges.run_once()
    with connection.transaction(), monkeypatch.context() as patch:
        patch.setattr(gauges_module, "OPTIONS", {"statement_timeout": "100ms"})
        connection.execute("LOCK TABLE outbox.event IN ACCESS EXCLUSIVE MODE")
        gauges.run_once()
        assert is_unknown(registry)
    gauges.run_once()
    assert shown(registry) == [0, 0]


def test_positions_of_another_history_do_not_count_as_nothing_waiting(
    connection: Connection, database: str, registry: CollectorRegistry
) -> None:
    lost = Witness(1, 1, b"sixsix")
    connection.execute(MIRROR, (encode(Position(b"syst", "w", NOTHING, None, 0, lost, lost)),))
    gauges = lag_gauges(database, RelayMetrics(registry), Health(), unknown_after_s=0)
    with capture_logs() as logs:
        gauges.run_once()
    assert is_unknown(registry)
    (warning,) = [line for line in logs if line["event"] == "counts_absent"]
    assert "another database cluster" in warning["error"]


def test_commands_that_cannot_be_counted_are_unknown_too(
    database: str, registry: CollectorRegistry
) -> None:
    gauges = command_gauges(database, CommandMetrics(registry), Health(), ())
    value = registry.get_sample_value("outbox_commands_queued")
    assert value is not None
    assert math.isnan(value)
    gauges.run_once()
    assert registry.get_sample_value("outbox_commands_queued") == 0


def test_sizes_and_the_last_purge_are_shown_and_unknown_with_the_rest(
    connection: Connection, database: str, registry: CollectorRegistry
) -> None:
    def value(name: str) -> float:
        return registry.get_sample_value(f"outbox_{name}") or 0.0

    day, purge = "oldest_partition_timestamp_seconds", "last_purge_timestamp_seconds"
    gauges = lag_gauges(database, RelayMetrics(registry), Health(), unknown_after_s=0)
    assert math.isnan(value("events_bytes"))
    gauges.run_once()
    assert value("events_bytes") > 8_192
    assert math.isnan(value(purge))
    connection.execute("SELECT outbox.add_partition('1970-01-02')")
    last_purge.write_run(connection, 30)
    gauges.run_once()
    assert value(day) == 86_400
    assert abs(value(purge) - time.time()) < 60
    connection.execute("UPDATE outbox.migration SET checksum = 'edited' WHERE number = 1")
    gauges.run_once()
    assert all(math.isnan(value(name)) for name in ("events_bytes", day, purge))


def test_what_is_set_aside_is_counted_until_it_is_retried(
    connection: Connection, database: str, registry: CollectorRegistry
) -> None:
    gauges = command_gauges(database, CommandMetrics(registry), Health(), ())

    def counted() -> float | None:
        gauges.run_once()
        return registry.get_sample_value("outbox_commands_set_aside")

    assert counted() == 0
    connection.execute(SET_ASIDE)
    assert counted() == 1
    connection.execute("SELECT outbox.retry_command(command_id) FROM outbox.command")
    assert counted() == 0
