"""What people asked for holds over a rebase: orders to park name xids, which it gives out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.cli.test_dead_letters import INSERT, PARK_S, await_parked, serving, write
from tests.doctor.conftest import login
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster

pytestmark = pytest.mark.slow

ORDERS: Final = "SELECT state, outcome FROM outbox.dead_letter_order ORDER BY id"


def test_an_event_that_is_to_be_parked_is_parked_after_a_rebase(
    cluster: CliCluster, connection: Connection
) -> None:
    missing = f"{cluster.name}.missing"
    worker = serving(cluster)
    with psycopg.connect(cluster.url) as early:
        early.execute("SELECT pg_current_xact_id()")
        later = write(cluster, cluster.topics[0], "k")
        wait_until(lambda: cluster.subscriber.has_all([later]), PARK_S, "a higher xid is published")
        assert worker.stop() == 0
        given = {"topic": missing, "key": "k", "payload": b"{}"}
        row = early.execute(INSERT, given).fetchone()
        early.commit()
        early.execute("SELECT outbox.park(event_id => %s)", row)
    with login(connection, "outbox_operator") as url:
        done = cluster.command("rebase", "--execute", database_url=url)
    assert done.returncode == 0, done.stderr
    serving(cluster)
    await_parked(cluster, 1)
    with psycopg.connect(cluster.url, autocommit=True) as link:
        wait_until(
            lambda: link.execute(ORDERS).fetchall() == [("done", "parked")],
            PARK_S,
            "the order is done",
        )
