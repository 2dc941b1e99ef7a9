"""The primary dies, and a streaming standby takes its place: with all, or without the last."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.postgres import PostgresServer
from tests.harness.databases import make_database, of_either
from tests.harness.history import rebase, refusing_worker
from tests.harness.scene import Scene
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.writers import Workload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

RELOAD: Final = "SELECT pg_reload_conf()"
WAIT_FOR_STANDBY: Final = "ALTER SYSTEM SET synchronous_standby_names = '*'"
STANDBYS: Final = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
IS_BEHIND: Final = (
    "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()"
)
STOP_STREAMING: Final = "ALTER SYSTEM SET primary_conninfo = ''"
STREAMS: Final = "SELECT count(*) FROM pg_stat_wal_receiver"


@dataclass(frozen=True)
class Pair:
    """A primary, its standby, and a scene whose URL names both."""

    primary: PostgresServer
    standby: PostgresServer
    scene: Scene

    def fail_over(self) -> None:
        """The primary crashes and stays away; the standby takes over."""
        self.primary.stop("immediate")
        self.standby.promote()

    def wait_for_standby(self) -> None:
        """From now on no commit is answered, nor seen, before the standby has it."""
        tell(self.primary, WAIT_FOR_STANDBY)
        wait_until(lambda: ask(self.primary, STANDBYS) == ["sync"], 20, "replication is in sync")

    def stop_streaming(self) -> None:
        """The standby has all until now, and gets nothing from now on."""
        wait_until(lambda: ask(self.primary, IS_BEHIND) == [0], 20, "the standby has all")
        tell(self.standby, STOP_STREAMING)
        wait_until(lambda: ask(self.standby, STREAMS) == [0], 20, "streaming has stopped")


def ask(server: PostgresServer, statement: str) -> list[object]:
    """The first column of the answer."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        return [row[0] for row in connection.execute(statement)]


def tell(server: PostgresServer, statement: str) -> None:
    """Change a setting of the running server."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement)
        connection.execute(RELOAD)


@contextmanager
def streaming_pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and a standby that streams from it."""
    with PostgresServer() as primary, PostgresServer(source=primary) as standby:
        wait_until(lambda: ask(primary, STANDBYS) == ["async"], 20, "the standby streams")
        yield primary, standby


@pytest.fixture
def pair(kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Pair]:
    """A primary, a standby, a scene."""
    with streaming_pair() as (primary, standby):
        url = of_either(primary, standby, make_database(primary))
        with Scene(url, kafka_bootstrap_servers, tmp_path) as scene:
            yield Pair(primary, standby, scene)


def lost_by(scene: Scene, workload: Workload) -> set[str]:
    """What the old primary had committed, and the new one does not have."""
    return workload.ledger.committed - scene.rows().keys()


def test_worker_goes_on_by_itself_after_a_fail_over_in_sync(pair: Pair) -> None:
    scene = pair.scene
    pair.wait_for_standby()
    with scene.workload():
        workers = scene.workers(2)
        scene.await_more(200)
        pair.fail_over()
        scene.await_more(200)
        assert scene.alive == workers
    scene.prove()


def test_fail_over_that_lost_published_events_is_refused_until_rebase(pair: Pair) -> None:
    scene = pair.scene
    with scene.workload() as before:
        scene.workers(2)
        scene.await_more(200)
        pair.stop_streaming()
        scene.await_more(200)
    for worker in scene.crew:
        worker.kill()
    pair.fail_over()
    with scene.workload(seed=2) as after:
        wait_until(lambda: after.events > 200, 20, "the new primary is written to")
        worker = refusing_worker(scene)
        rebase(scene, worker)
        scene.workers(1)
        scene.await_more(200)
    lost = lost_by(scene, before)
    assert lost & {record.event_id for record in scene.subscriber.received}
    scene.prove(excused=lost)


def test_fail_over_that_lost_only_unpublished_events_goes_unnoticed(pair: Pair) -> None:
    scene = pair.scene
    with scene.workload() as before:
        scene.workers(2)
        scene.await_more(200)
    scene.await_caught_up()
    scene.stop_all()
    pair.stop_streaming()
    with scene.workload(seed=2) as unseen:
        wait_until(lambda: unseen.events > 100, 20, "events are written that nobody reads")
    pair.fail_over()
    with scene.workload(seed=3):
        scene.workers(2)
        scene.await_more(200)
    assert not lost_by(scene, before)
    lost = lost_by(scene, unseen)
    assert lost
    scene.prove(excused=lost)
