"""Workers were away for so long that today has no partition, and writers went on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.cluster import free_address
from tests.harness.incident import Paged, runbook
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster

pytestmark = pytest.mark.slow

NO_DAYS: Final = """
    DO $$ DECLARE day regclass; BEGIN
        FOR day IN SELECT inhrelid::regclass FROM pg_inherits
                   WHERE inhparent = 'outbox.event'::regclass
                   AND inhrelid <> 'outbox.event_default'::regclass LOOP
            EXECUTE format('DROP TABLE %s', day);
        END LOOP;
    END $$"""
PLACES: Final = """
    SELECT tableoid::regclass::text, count(*) FROM outbox.event GROUP BY 1 ORDER BY 1"""
DAYS: Final = "SELECT DISTINCT (created_at AT TIME ZONE 'UTC')::date::text FROM outbox.event"
ROWS: Final = "SELECT * FROM outbox.event ORDER BY id"
HEADING: Final = "Events in the default partition"


def test_events_in_the_default_partition_go_out_and_move_to_their_day(
    cluster: CliCluster,
) -> None:
    paged = Paged(cluster)
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(NO_DAYS)
        with cluster.workload() as writers:
            wait_until(lambda: writers.events > 200, 30, "events are written")
        paged.hears("OutboxWorkersAbsent")
        paged.sees("no worker", "outbox-worker run")
        worker = cluster.worker(http_address=free_address())
        cluster.await_shards()
        cluster.await_caught_up()
        wait_until(lambda: worker.said("events_in_default_partition"), 30, "the log says so")
        assert {place for place, _ in link.execute(PLACES)} == {"outbox.event_default"}
        # Nothing waits, so nobody is paged for this; `doctor` says what it is.
        paged.is_done()
        found = paged.finds("postgres.default_partition")
        assert found["level"] == "warn"
        assert HEADING in found["remedy"]
        before = link.execute(ROWS).fetchall()
        (order,) = runbook(HEADING, "sql")
        for (day,) in link.execute(DAYS).fetchall():
            link.execute(order.replace("YYYY-MM-DD", day).encode())
        assert link.execute(ROWS).fetchall() == before
        assert "outbox.event_default" not in {place for place, _ in link.execute(PLACES)}
        for check in ("postgres.default_partition", "postgres.partitions"):
            assert paged.finds(check)["level"] == "pass"
        with cluster.workload(seed=2):
            cluster.await_new(100)
    paged.is_done()
    cluster.run("verify")
    cluster.assert_exactly_once(least=300)
