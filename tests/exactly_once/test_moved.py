"""The database comes from a dump, or Kafka has forgotten the group."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_school.school import school
from outbox_worker.postgres import database as connections
from outbox_worker.stores import mirror
from tests.harness.databases import make_empty_database
from tests.harness.lost_history import rebase, refusing_worker
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer
    from tests.harness.cluster import Cluster

pytestmark = pytest.mark.slow

ADMIN_S: Final = 60.0


def copy_database(source: PostgresServer, url: str, target: PostgresServer) -> str:
    """Dump the database at `url` and load it into a new one of `target`; returns its URL."""
    new_url = target.url(make_empty_database(target))
    # The policies in the dump name roles, which belong to the server.
    with psycopg.connect(new_url, autocommit=True) as link:
        for role in sorted({role for each in school.tables for role in each.roles}):
            with suppress(psycopg.errors.DuplicateObject):
                link.execute(f"CREATE ROLE {role} NOLOGIN".encode())
    dump = subprocess.run(
        [source.binary("pg_dump"), "--no-owner", "--no-privileges", url],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    subprocess.run(
        [target.binary("psql"), "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", new_url],
        check=True,
        input=dump,
    )
    return new_url


def test_database_restored_from_a_dump_is_refused_until_rebase(
    cluster: Cluster, postgres: PostgresServer, own_postgres: PostgresServer
) -> None:
    with cluster.workload():
        cluster.workers(2)
        cluster.await_more(300)
    cluster.await_caught_up()
    cluster.stop_all()
    with cluster.workload(seed=2) as unpublished:
        wait_until(lambda: unpublished.events > 100, 20, "events are written that nobody reads")
    cluster.move_to(copy_database(postgres, cluster.url, own_postgres))
    with cluster.workload(seed=3):
        worker = refusing_worker(cluster)
        rebase(cluster, worker)
        cluster.workers(1)
        cluster.await_more(200)
    cluster.assert_exactly_once()


def forget_group(cluster: Cluster) -> None:
    """Delete the group's offsets, as Kafka does seven days after its last member left."""
    future = cluster.admin.delete_consumer_groups([cluster.name], request_timeout=ADMIN_S)[
        cluster.name
    ]
    future.result(ADMIN_S)


def test_group_whose_offsets_were_deleted_goes_on_from_the_mirror(cluster: Cluster) -> None:
    with cluster.workload():
        workers = cluster.workers(2)
        cluster.await_more(300)
    cluster.stop_all()
    # Only then has each written to the mirror where its shards stand.
    assert all(worker.said("stopped") for worker in workers)
    wait_until(lambda: is_empty(cluster), 30, "the group has no member")
    forget_group(cluster)
    with cluster.workload(seed=2):
        workers = cluster.workers(2)
        cluster.await_more(200)
        assert any(worker.said("positions_from_mirror") for worker in workers)
    cluster.assert_exactly_once()


def test_group_forgotten_after_a_crash_repeats_a_little_and_loses_nothing(cluster: Cluster) -> None:
    with cluster.workload():
        workers = cluster.workers(2)
        wait_until(lambda: mirrored(cluster), 20, "the mirror has positions")
        for worker in workers:
            cluster.await_more(200)
            worker.kill()
    wait_until(lambda: is_empty(cluster), 30, "the sessions of the dead have ended")
    forget_group(cluster)
    with cluster.workload(seed=2):
        workers = cluster.workers(2)
        cluster.await_more(200)
        assert any(worker.said("positions_from_mirror") for worker in workers)
    rows = cluster.await_caught_up()
    cluster.stop_all()
    differences = cluster.differences(rows)
    assert (differences.lost, differences.invented, differences.changed) == ((), (), ())


def mirrored(cluster: Cluster) -> bool:
    """Whether a worker has written into the mirror where its shards stand."""
    with connections.connect(cluster.url, application="tests") as link:
        return bool(mirror.list_positions(link))


def is_empty(cluster: Cluster) -> bool:
    """Whether the group has no member left."""
    future = cluster.admin.describe_consumer_groups([cluster.name], request_timeout=ADMIN_S)[
        cluster.name
    ]
    return not future.result(ADMIN_S).members
