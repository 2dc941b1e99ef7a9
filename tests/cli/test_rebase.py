"""`outbox-worker rebase` finds out what is published, and nothing is lost or repeated after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from pydantic import SecretStr

from outbox_worker.postgres import database
from outbox_worker.reconcile import idle_group
from outbox_worker.reconcile.rebase import Progress, Rebase
from outbox_worker.settings import Settings
from tests.cli.conftest import make_roles, move
from tests.cli.test_dead_letters import LARGE, await_parked, small_topic, write
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from tests.cli.conftest import CliCluster
    from tests.harness.workers import Worker

COUNT_PUBLISHED_BY: Final = "SELECT DISTINCT group_name FROM outbox.position"
LOGIN: Final = "CREATE ROLE {0} LOGIN; GRANT outbox_worker TO {0}"
LOSE_THE_LETTER: Final = """
    WITH lost AS (DELETE FROM outbox.dead_letter_event
                  WHERE id = (SELECT max(id) FROM outbox.dead_letter_event) RETURNING shard)
    UPDATE outbox.dead_letter_shard SET number = number - 1 WHERE shard IN (SELECT shard FROM lost)
"""
STATES: Final = "SELECT DISTINCT state FROM outbox.lag"


def rebase(cluster: CliCluster, **settings: str) -> str:
    done = cluster.command("rebase", "--execute", **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prove(cluster: CliCluster, least: int) -> None:
    """All that the table holds is read once and in order."""
    rows = cluster.await_caught_up()
    cluster.stop_all()
    differences = cluster.differences(rows)
    assert differences.empty, str(differences)
    assert len(rows) >= least
    assert cluster.command("verify").returncode == 0


def refuses(worker: Worker, event: str = "history_lost") -> bool:
    return worker.said(event)


def test_a_renamed_group_goes_on_where_the_old_one_stood(cluster: CliCluster) -> None:
    cluster.write(*"abcabc")
    cluster.publish_all()
    cluster.write(*"abc")
    cluster.settings["group"] = f"{cluster.name}-renamed"
    refused = cluster.command("run")
    assert refused.returncode == 2, refused.stderr
    assert "rebase --execute" in refused.stderr
    rebase(cluster)
    with psycopg.connect(cluster.url) as link:
        assert link.execute(COUNT_PUBLISHED_BY).fetchall() == [(cluster.settings["group"],)]
    cluster.write(*"abc")
    cluster.worker()
    prove(cluster, 12)


def test_a_dump_in_a_new_cluster_is_refused_until_the_rebase(
    cluster: CliCluster, postgres: PostgresServer, other_cluster: PostgresServer
) -> None:
    cluster.write(*"abcabcdefg" * 3)
    cluster.publish_all()
    unpublished = cluster.write(*"abcx")
    make_roles(other_cluster)
    move(cluster, postgres, other_cluster)
    worker = cluster.worker()
    wait_until(lambda: refuses(worker), 30, "the worker refuses")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        wait_until(
            lambda: link.execute(STATES).fetchall() == [("refusing",)], 30, "the view says so"
        )
        hints = link.execute("SELECT DISTINCT hint FROM outbox.lag").fetchall()
    assert all("outbox-worker rebase" in hint for (hint,) in hints)
    cluster.write(*"abcy")
    plan = cluster.command("rebase")
    assert "nothing is changed" in plan.stdout
    assert "another database cluster" in plan.stdout
    wait_until(cluster.subscriber.at_the_end, 30, "all that there is has been read")
    assert not cluster.subscriber.event_ids & set(unpublished)
    rebase(cluster)
    cluster.write(*"abcz")
    prove(cluster, 42)


def test_a_rebase_of_a_sound_history_changes_nothing_for_subscribers(cluster: CliCluster) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    cluster.write(*"abc")
    rebase(cluster)
    rebase(cluster)
    cluster.write(*"abc")
    cluster.worker()
    prove(cluster, 9)


def test_events_in_the_topic_beyond_the_position_are_not_repeated(cluster: CliCluster) -> None:
    """As after a restore to an earlier time: positions gone, events out."""
    cluster.write(*"abcabc")
    cluster.publish_all()
    with psycopg.connect(cluster.url) as link:
        link.execute("DELETE FROM outbox.position")
    cluster.settings["group"] = f"{cluster.name}-other"
    cluster.write(*"abc")
    rebase(cluster)
    cluster.worker()
    prove(cluster, 9)


def test_since_counts_older_events_as_published(cluster: CliCluster) -> None:
    old = cluster.write(*"abc")
    with psycopg.connect(cluster.url) as link:
        row = link.execute("SELECT clock_timestamp()::text").fetchone()
    assert row is not None
    new = cluster.write(*"abc")
    done = cluster.command("rebase", "--execute", "--since", row[0])
    assert done.returncode == 0, done.stderr
    cluster.worker()
    wait_until(lambda: cluster.subscriber.has_all(new), 30, "the new events are read")
    cluster.stop_all()
    wait_until(cluster.subscriber.at_the_end, 30, "all that there is has been read")
    assert not {record.event_id for record in cluster.subscriber.received} & set(old)


def test_rebase_refuses_while_a_worker_is_in_the_group(cluster: CliCluster) -> None:
    cluster.workers(1)
    done = cluster.command("rebase", "--execute")
    assert done.returncode == 1
    assert "Stop the workers" in done.stderr
    assert "Traceback" not in done.stderr
    assert cluster.command("rebase").returncode == 0
    cluster.write(*"abc")
    prove(cluster, 3)


def test_rebase_aborts_what_a_killed_worker_left_open(cluster: CliCluster) -> None:
    cluster.write(*"abcdefgh" * 4)
    # The first transaction of a worker claims its shards and holds no record.
    worker = cluster.worker_dying_at("after-half-of-the-records", nth=1)
    wait_until(lambda: worker.said("killed"), 30, "the worker died in its transaction")
    rebase(cluster)
    cluster.worker()
    prove(cluster, 32)


def test_writers_may_go_on_while_positions_are_rewritten(cluster: CliCluster) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    with (
        psycopg.connect(cluster.url) as early,
        cluster.workload(7),
    ):
        early.execute(
            "SELECT outbox.publish(%s, 'early', 'kind', '1'::jsonb)", (cluster.topics[0],)
        )
        rebase(cluster)
        rebase(cluster)
        early.commit()
        cluster.worker()
        cluster.await_more(50)
    prove(cluster, 50)


def test_rebase_names_the_right_that_is_missing(
    cluster: CliCluster, postgres: PostgresServer, tmp_path: Path
) -> None:
    cluster.write(*"abc")
    role = f"worker_{cluster.name}"
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(LOGIN.format(role))
    name = cluster.url.rpartition("/")[2]
    done = cluster.command("rebase", "--execute", database_url=postgres.url(name, user=role))
    assert done.returncode == 3, done.stderr
    assert "outbox_operator" in done.stderr
    assert "Traceback" not in done.stderr


class CutOffError(Exception):
    """Stands for a SIGKILL between the two commits."""


def cut_off(cluster: CliCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a rebase that ends once Postgres has committed, and before Kafka does."""
    settings = Settings(
        database_url=SecretStr(cluster.url),
        kafka_bootstrap_servers=cluster.bootstrap,
        group=cluster.name,
    )

    def cut(*_: object) -> None:
        raise CutOffError

    with database.connect(cluster.url, application="tests") as link, monkeypatch.context() as patch:
        patch.setattr(idle_group, "commit", cut)
        progress = Progress(lambda _: None, lambda _: None)
        with pytest.raises(CutOffError):
            Rebase(settings, link, progress).execute(None, lambda _: None)


def test_a_rebase_that_was_cut_off_between_the_two_commits_is_run_again(
    cluster: CliCluster,
    postgres: PostgresServer,
    other_cluster: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster.write(*"abcabcdefg" * 2)
    cluster.publish_all()
    cluster.write(*"abcx")
    make_roles(other_cluster)
    move(cluster, postgres, other_cluster)
    cut_off(cluster, monkeypatch)
    worker = cluster.worker()
    wait_until(lambda: refuses(worker), 30, "the worker still refuses")
    cluster.write(*"abcy")
    rebase(cluster)
    prove(cluster, 28)


def test_a_ledger_that_lost_a_write_stays_so_until_the_rebase_is_whole(
    cluster: CliCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = small_topic(cluster)
    worker = cluster.worker(on_refused="park")
    for events in (1, 2):
        write(cluster, topic, "k", LARGE)
        await_parked(cluster, events)
    write(cluster, cluster.topics[0], "k")  # What proves the position is not what was lost.
    wait_until(lambda: cluster.waiting() == 0, 30, "the position has passed it")
    assert worker.stop() == 0
    with psycopg.connect(cluster.url) as link:
        link.execute(LOSE_THE_LETTER)
    cut_off(cluster, monkeypatch)
    refusing = cluster.worker(on_refused="park")
    wait_until(lambda: refuses(refusing), 30, "the worker still refuses")
    rebase(cluster)
    await_parked(cluster, 2)
