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
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from tests.cli.conftest import Stage
    from tests.harness.workers import Worker

COUNT_PUBLISHED_BY: Final = "SELECT DISTINCT group_name FROM outbox.position"
LOGIN: Final = "CREATE ROLE {0} LOGIN; GRANT outbox_worker TO {0}"


def rebase(stage: Stage, **settings: str) -> str:
    done = stage.command("rebase", "--execute", **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prove(stage: Stage, least: int) -> None:
    """All that the table holds is read once and in order."""
    rows = stage.await_caught_up()
    stage.stop_all()
    verdict = stage.verdict(rows)
    assert verdict.kept, str(verdict)
    assert len(rows) >= least
    assert stage.command("verify").returncode == 0


def refuses(worker: Worker, event: str = "history_lost") -> bool:
    return worker.said(event)


def test_a_renamed_group_goes_on_where_the_old_one_stood(stage: Stage) -> None:
    stage.write(*"abcabc")
    stage.publish_all()
    stage.write(*"abc")
    stage.settings["group"] = f"{stage.name}-renamed"
    refused = stage.command("run")
    assert refused.returncode == 2, refused.stderr
    assert "rebase --execute" in refused.stderr
    rebase(stage)
    with psycopg.connect(stage.url) as link:
        assert link.execute(COUNT_PUBLISHED_BY).fetchall() == [(stage.settings["group"],)]
    stage.write(*"abc")
    stage.worker()
    prove(stage, 12)


def test_a_dump_in_a_new_cluster_is_refused_until_the_rebase(
    stage: Stage, postgres: PostgresServer, other_cluster: PostgresServer
) -> None:
    stage.write(*"abcabcdefg" * 3)
    stage.publish_all()
    unpublished = stage.write(*"abcx")
    make_roles(other_cluster)
    move(stage, postgres, other_cluster)
    worker = stage.worker()
    wait_until(lambda: refuses(worker), 30, "the worker refuses")
    stage.write(*"abcy")
    plan = stage.command("rebase")
    assert "nothing is changed" in plan.stdout
    assert "another database cluster" in plan.stdout
    wait_until(stage.subscriber.at_the_end, 30, "all that there is has been read")
    assert not stage.subscriber.event_ids & set(unpublished)
    rebase(stage)
    stage.write(*"abcz")
    prove(stage, 42)


def test_a_rebase_of_a_sound_history_changes_nothing_for_subscribers(stage: Stage) -> None:
    stage.write(*"abc")
    stage.publish_all()
    stage.write(*"abc")
    rebase(stage)
    rebase(stage)
    stage.write(*"abc")
    stage.worker()
    prove(stage, 9)


def test_events_in_the_topic_beyond_the_position_are_not_repeated(stage: Stage) -> None:
    """As after a restore to an earlier time: positions gone, events out."""
    stage.write(*"abcabc")
    stage.publish_all()
    with psycopg.connect(stage.url) as link:
        link.execute("DELETE FROM outbox.position")
    stage.settings["group"] = f"{stage.name}-other"
    stage.write(*"abc")
    rebase(stage)
    stage.worker()
    prove(stage, 9)


def test_since_counts_older_events_as_published(stage: Stage) -> None:
    old = stage.write(*"abc")
    with psycopg.connect(stage.url) as link:
        row = link.execute("SELECT clock_timestamp()::text").fetchone()
    assert row is not None
    new = stage.write(*"abc")
    done = stage.command("rebase", "--execute", "--since", row[0])
    assert done.returncode == 0, done.stderr
    stage.worker()
    wait_until(lambda: stage.subscriber.has_all(new), 30, "the new events are read")
    stage.stop_all()
    wait_until(stage.subscriber.at_the_end, 30, "all that there is has been read")
    assert not {record.event_id for record in stage.subscriber.received} & set(old)


def test_rebase_refuses_while_a_worker_is_in_the_group(stage: Stage) -> None:
    stage.workers(1)
    done = stage.command("rebase", "--execute")
    assert done.returncode == 1
    assert "Stop the workers" in done.stderr
    assert "Traceback" not in done.stderr
    assert stage.command("rebase").returncode == 0
    stage.write(*"abc")
    prove(stage, 3)


def test_rebase_aborts_what_a_killed_worker_left_open(stage: Stage) -> None:
    stage.write(*"abcdefgh" * 4)
    # The first transaction of a worker claims its shards and holds no record.
    worker = stage.mortal("after-half-of-the-records", nth=1)
    wait_until(lambda: worker.said("killed"), 30, "the worker died in its transaction")
    rebase(stage)
    stage.worker()
    prove(stage, 32)


def test_writers_may_go_on_while_positions_are_rewritten(stage: Stage) -> None:
    stage.write(*"abc")
    stage.publish_all()
    with (
        psycopg.connect(stage.url) as early,
        stage.workload(7),
    ):
        early.execute("SELECT outbox.publish(%s, 'early', 'kind', '1'::jsonb)", (stage.topics[0],))
        rebase(stage)
        rebase(stage)
        early.commit()
        stage.worker()
        stage.await_more(50)
    prove(stage, 50)


def test_rebase_names_the_right_that_is_missing(
    stage: Stage, postgres: PostgresServer, tmp_path: Path
) -> None:
    stage.write(*"abc")
    role = f"worker_{stage.name}"
    with psycopg.connect(stage.url, autocommit=True) as link:
        link.execute(LOGIN.format(role))
    name = stage.url.rpartition("/")[2]
    done = stage.command("rebase", "--execute", database_url=postgres.url(name, user=role))
    assert done.returncode == 3, done.stderr
    assert "GRANT UPDATE (xid, horizon)" in done.stderr
    assert "Traceback" not in done.stderr


class CutOffError(Exception):
    """Stands for a SIGKILL between the two commits."""


def test_a_rebase_that_was_cut_off_between_the_two_commits_is_run_again(
    stage: Stage,
    postgres: PostgresServer,
    other_cluster: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage.write(*"abcabcdefg" * 2)
    stage.publish_all()
    stage.write(*"abcx")
    make_roles(other_cluster)
    move(stage, postgres, other_cluster)
    settings = Settings(
        database_url=SecretStr(stage.url),
        kafka_bootstrap_servers=stage.bootstrap,
        group=stage.name,
    )

    def cut(*_: object) -> None:
        raise CutOffError

    with database.connect(stage.url, application="tests") as link, monkeypatch.context() as patch:
        patch.setattr(idle_group, "commit", cut)
        progress = Progress(lambda _: None, lambda _: None)
        with pytest.raises(CutOffError):
            Rebase(settings, link, progress).execute(None, lambda _: None)
    worker = stage.worker()
    wait_until(lambda: refuses(worker), 30, "the worker still refuses")
    stage.write(*"abcy")
    rebase(stage)
    prove(stage, 28)
