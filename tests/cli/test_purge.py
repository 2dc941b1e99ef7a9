"""`outbox-worker purge` trusts a position only where it is of the table's own history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database
from outbox_worker.stores import partition
from tests.cli.conftest import make_roles, move
from tests.cli.test_status import status
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import subprocess

    from outbox_worker.local.postgres import PostgresServer
    from tests.cli.conftest import CliCluster

KEYS: Final = "abcdefghij"
OLD: Final = datetime.now(UTC) - timedelta(days=20)
OLDER: Final = OLD - timedelta(days=1)
"""This day has no partition: its events are in the default one."""

USE_XIDS: Final = """
    DO $$ BEGIN
        FOR n IN 1..5000 LOOP
            PERFORM pg_current_xact_id();
            COMMIT;
        END LOOP;
    END $$
"""
INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload, created_at)
    SELECT %s, key, 'order.placed', '1', day
    FROM unnest(%s::text[]) AS key, unnest(%s::timestamptz[]) AS day
    RETURNING event_id::text
"""
LOOK_PUBLISHED: Final = """
    SELECT bool_and(pg_visible_in_snapshot(xid, seen))
    FROM outbox.event JOIN outbox.position USING (shard) WHERE created_at < now() - interval '10 d'
"""
KEEP_A_KEY: Final = "SELECT outbox.publish(%s, 'a', 'order.placed', '1'::jsonb, NULL, 'some key')"
AGE_THE_KEY: Final = "UPDATE outbox.idempotency_key SET created_at = now() - interval '31 days'"
COUNT_KEYS: Final = "SELECT count(*) FROM outbox.idempotency_key"


def purge(cluster: CliCluster, *more: str) -> subprocess.CompletedProcess[str]:
    return cluster.command("purge", "--older-than-days", "10", *more)


def write_old(cluster: CliCluster, *days: datetime) -> list[str]:
    """An event for each key on each of these days; their ids."""
    with psycopg.connect(cluster.url) as link:
        found = link.execute(INSERT, (cluster.topics[0], list(KEYS), list(days))).fetchall()
    return [row[0] for row in found]


def make_partition(cluster: CliCluster, *days: date) -> None:
    with database.connect(cluster.url, application="tests") as link:
        assert {partition.add_partition(link, day) for day in days} == {partition.Added.MADE}


def use_xids(cluster: CliCluster) -> None:
    """Be far ahead of a new cluster."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(USE_XIDS)


def ask(cluster: CliCluster, question: str) -> object:
    with psycopg.connect(cluster.url) as link:
        row = link.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def refuses(done: subprocess.CompletedProcess[str]) -> bool:
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "another database cluster" in done.stderr
    assert "outbox-worker rebase" in done.stderr
    return True


def test_nothing_of_a_dump_in_a_new_cluster_is_purged_until_the_rebase(
    cluster: CliCluster, postgres: PostgresServer, other_cluster: PostgresServer
) -> None:
    use_xids(cluster)
    cluster.write(*KEYS)
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(KEEP_A_KEY, (cluster.topics[0],))
        link.execute(AGE_THE_KEY)
    cluster.publish_all()
    make_roles(other_cluster)
    move(cluster, postgres, other_cluster)
    make_partition(cluster, OLD.date())
    old = write_old(cluster, OLD, OLDER)
    assert ask(cluster, LOOK_PUBLISHED) is True
    before = cluster.rows()
    assert refuses(purge(cluster, "--dry-run"))
    assert ask(cluster, COUNT_KEYS) == 1
    assert refuses(purge(cluster))
    assert ask(cluster, COUNT_KEYS) == 0, "what does not hang on positions is purged"
    assert cluster.rows() == before
    found = status(cluster)
    assert "another database cluster" in found["history_lost"]
    assert found["events"] is None
    assert cluster.command("rebase", "--execute").returncode == 0
    assert purge(cluster).returncode == 0
    assert cluster.rows().keys() == before.keys(), "not published yet"
    cluster.publish_all()
    done = purge(cluster)
    assert done.returncode == 0, done.stderr
    assert cluster.rows().keys() == before.keys() - set(old)
    wait_until(lambda: cluster.subscriber.has_all(old), 30, "what was purged had gone out")
    assert status(cluster)["history_lost"] is None


def test_two_purges_at_once_both_end_well(cluster: CliCluster) -> None:
    days = [OLD - timedelta(days=n) for n in range(12)]
    make_partition(cluster, *(day.date() for day in days))
    write_old(cluster, *days, days[-1] - timedelta(days=1))
    new = cluster.write(*KEYS)
    cluster.publish_all()
    with ThreadPoolExecutor(3) as threads:
        for done in threads.map(lambda _: purge(cluster), range(3)):
            assert done.returncode == 0, done.stderr
    assert cluster.rows().keys() == set(new)
    with database.connect(cluster.url, application="tests") as link:
        assert partitions.run_once(link).made == []
        assert partition.list_partitions(link)[0] > OLD.date()
