"""What a scrape shows: the numbers of this moment, or their absence with a reason."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import structlog
from prometheus_client import CollectorRegistry

from outbox_school import retention, tally
from outbox_worker.local.ports import HOST, free_port
from outbox_worker.observe import numbers
from outbox_worker.observe.health import Health
from outbox_worker.observe.http import HttpServer
from outbox_worker.observe.numbers import ScrapeNumbers
from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished
from tests.harness.control import Control
from tests.harness.databases import through
from tests.harness.proxy import Proxy
from tests.harness.waiting import wait_until
from tests.retention.dataset import Batch, Dataset, RecordedProgress
from tests.retention.scrape import numbers_of_batches, scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

NOW: Final = datetime(2026, 3, 29, 12, tzinfo=UTC)
ACTIVE: Final = "huleedu_batches_active"
COMPLETED: Final = "huleedu_batches_completed"
PURGED: Final = "batches_purged_total"
NONE: Final = {
    (name, class_type): 0.0
    for name in (ACTIVE, COMPLETED, PURGED)
    for class_type in ("GUEST", "REGULAR")
}
# Waits until it is gone.
END_CONNECTIONS: Final = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'outbox-worker numbers' AND datname = current_database()"""


class Page:
    """`/metrics` of a server that has these numbers and one more metric."""

    def __init__(self, url: str) -> None:
        registry = CollectorRegistry()
        self.numbers = ScrapeNumbers(url, tally.NUMBERS)
        registry.register(self.numbers)
        self._server = HttpServer(f"{HOST}:0", Health(), registry)

    def scrape(self) -> dict[tuple[str, str], float]:
        """By name and class type, what is shown."""
        return numbers_of_batches(scrape(f"{HOST}:{self._server.port}"))

    def close(self) -> None:
        self._server.close()
        self.numbers.close()


@pytest.fixture
def page(database: str) -> Iterator[Page]:
    page = Page(database)
    yield page
    page.close()


def test_each_scrape_shows_registration_completion_and_purge(page: Page, link: Connection) -> None:
    assert page.scrape() == NONE
    dataset = Dataset(
        [Batch("GUEST", None), Batch("GUEST", 9), Batch("GUEST", 0), Batch("REGULAR", 9)]
    )
    dataset.write(link, NOW)
    shown = {**NONE, (ACTIVE, "GUEST"): 1, (COMPLETED, "GUEST"): 2, (COMPLETED, "REGULAR"): 1}
    assert page.scrape() == shown
    order = finished.FinishedCutoff.of_days(1, retention.sweeps(("GUEST",)), NOW)
    finished.run_once(link, order, RecordedProgress())
    assert page.scrape() == {**shown, (COMPLETED, "GUEST"): 1, (PURGED, "GUEST"): 1}


def test_the_names_are_taken_before_the_database_is_asked() -> None:
    registry = CollectorRegistry()
    registry.register(ScrapeNumbers(f"postgresql://{HOST}:{free_port()}/none", tally.NUMBERS))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(ScrapeNumbers(f"postgresql://{HOST}:{free_port()}/none", tally.NUMBERS))


def test_a_database_that_refuses_is_said_once_and_the_numbers_are_absent() -> None:
    page = Page(f"postgresql://someone:hush@{HOST}:{free_port()}/none")
    with structlog.testing.capture_logs() as lines:
        assert page.scrape() == {}
        assert page.scrape() == {}
    page.close()
    (line,) = lines
    assert line["event"] == "numbers_absent"
    assert "refused" in line["error"]
    assert "hush" not in str(line)


def test_a_connection_that_ended_since_the_last_scrape_costs_no_scrape(
    page: Page, connection: Connection
) -> None:
    assert page.scrape() == NONE
    ended = connection.execute(END_CONNECTIONS).fetchall()
    assert ended == [(True,)]
    with structlog.testing.capture_logs() as lines:
        assert page.scrape() == NONE
    assert lines == []


@pytest.mark.alone
def test_a_database_that_is_silent_holds_up_no_scrape(
    database: str, postgres: PostgresServer
) -> None:
    with Control(database) as control, Proxy((HOST, postgres.port)) as proxy:
        page = Page(through(database, proxy.port))
        assert page.scrape() == NONE
        with structlog.testing.capture_logs() as lines:
            proxy.fall_silent()
            for _ in range(2):
                began = time.monotonic()
                assert page.scrape() == {}
                ended = time.monotonic()
                assert ended - began - control.lost(began, ended) < 2 * numbers.ANSWER_S
            proxy.heal()
            wait_until(lambda: page.scrape() == NONE, 20, "the numbers are back")
        page.close()
    assert [line["event"] for line in lines] == ["numbers_absent", "numbers_back"]


def test_a_table_that_is_locked_holds_up_no_scrape(page: Page, database: str) -> None:
    with connections.connect(database, application="lock") as other, other.transaction():
        other.execute("LOCK TABLE school.batch_tally")
        assert page.scrape() == {}
    wait_until(lambda: page.scrape() == NONE, 10, "the numbers are back")


def test_the_role_of_a_worker_suffices(database: str, postgres: PostgresServer) -> None:
    with connections.connect(database, application="tests") as admin:
        admin.execute("DROP ROLE IF EXISTS only_worker")
        admin.execute("CREATE ROLE only_worker LOGIN IN ROLE outbox_worker")
        page = Page(database.replace("postgres@", "only_worker@"))
        assert page.scrape() == NONE
        page.close()
        admin.execute("DROP ROLE only_worker")
