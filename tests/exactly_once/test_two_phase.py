"""Two-phase commit: what was prepared waits for its end, and holds up nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

PUBLISH: Final = """
    SELECT outbox.publish(topic => %(topic)s, key => 'same', type => 'thing.changed.v1',
                          payload => %(n)s)::text"""
PREPARE: Final = sql.SQL("PREPARE TRANSACTION {}")
COMMIT: Final = sql.SQL("COMMIT PREPARED {}")
ROLL_BACK: Final = sql.SQL("ROLLBACK PREPARED {}")


def prepare(cluster: Cluster, name: str, n: int) -> str:
    """What a transaction manager has a service do: write, then the first phase."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("BEGIN")
        row = link.execute(PUBLISH, {"topic": cluster.topics[0], "n": Jsonb(n)}).fetchone()
        link.execute(PREPARE.format(name))
    assert row is not None
    return str(row[0])


def test_prepared_events_wait_for_their_commit_and_no_others_wait(cluster: Cluster) -> None:
    names = [f"{cluster.name}-committed", f"{cluster.name}-rolled-back"]
    prepared, _ = (prepare(cluster, name, n) for n, name in enumerate(names, 1))
    worker = cluster.workers(1)[0]
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for n in (3, 4):
            link.execute(PUBLISH, {"topic": cluster.topics[0], "n": Jsonb(n)})
        others = cluster.await_caught_up()
        assert len(others) == 2
        # The worker that saw them in progress is not the one that publishes them.
        worker.stop()
        cluster.workers(1)
        link.execute(COMMIT.format(names[0]))
        link.execute(ROLL_BACK.format(names[1]))
    cluster.assert_exactly_once(least=3, serial=False)
    received = [(record.event_id, record.value) for record in cluster.subscriber.received]
    assert [value for _, value in received] == [b"3", b"4", b"1"]
    assert received[-1] == (prepared, b"1")
