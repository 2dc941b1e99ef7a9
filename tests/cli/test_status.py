"""`outbox-worker status` says where each shard stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg
from click.testing import CliRunner
from rich.console import Console

from outbox_worker.cli import status as cli
from outbox_worker.postgres import database as connections
from outbox_worker.stores.lag import MirroredPosition
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import pytest

    from tests.cli.conftest import CliCluster


TO_LOOK_AT: Final = {"held", "no worker", "kafka away", "refusing", "history lost"}
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


def status(cluster: CliCluster, **settings: str) -> dict[str, Any]:
    done = cluster.command("status", "--json", **settings)
    assert done.returncode in {0, 1}, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    # 1 asks somebody to look: whatever passes by itself is no reason to.
    assert done.returncode == int(bool(states(found) & TO_LOOK_AT)), states(found)
    return found


def states(found: dict[str, Any]) -> set[str]:
    return {shard["state"] for shard in found["shards"]}


def test_status_of_a_table_that_nobody_serves(cluster: CliCluster) -> None:
    assert states(status(cluster)) == {"unused"}
    cluster.write("a", "a", "b")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(RENEW_EVENTS)
    found = status(cluster)
    assert found["events"] == 3
    assert states(found) == {"unused", "no worker"}
    (why,) = {each["reason"] for each in found["shards"] if each["state"] == "no worker"}
    assert why == "no worker gives a sign of life for it"
    table = cluster.command("status")
    assert table.returncode == 1
    assert "workers: 0" in table.stdout
    assert "outbox-worker run" in table.stdout


def test_status_names_owner_and_age_of_each_shard(cluster: CliCluster) -> None:
    cluster.write(*"abcdefgh")
    cluster.workers(1)
    wait_until(lambda: states(status(cluster)) == {"up to date"}, 30, "all shards are served")
    found = status(cluster)
    assert len(found["shards"]) == 16
    assert found["events"] == 0
    assert {shard["group"] for shard in found["shards"]} == {cluster.name}
    assert all(shard["owner"].startswith(cluster.name) for shard in found["shards"])
    assert all(shard["position_seconds"] >= 0 for shard in found["shards"])
    table = cluster.command("status").stdout
    assert "workers: 1" in table
    assert "up to date" in table


def test_status_says_that_another_group_publishes(cluster: CliCluster) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    assert states(status(cluster, group="another")) == {"other group"}
    assert f"other group: {cluster.name}" in cluster.command("status", group="another").stdout


AGE_POSITIONS = "UPDATE outbox.position SET updated_at = now() - interval '1 minute'"
RENEW_POSITIONS = "UPDATE outbox.position SET updated_at = now() + interval '1 hour'"
RENEW_EVENTS = "UPDATE outbox.event SET created_at = now() + interval '1 hour'"
LATE = """
    INSERT INTO outbox.event (topic, key, type, created_at)
    SELECT %s, key, 'order.placed', now() - interval '90 s' FROM unnest(%s::text[]) AS key
"""


def test_a_shard_that_moves_catches_up_and_one_that_does_not_has_no_worker(
    cluster: CliCluster,
) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(LATE, (cluster.topics[0], list("abc")))
        link.execute(RENEW_POSITIONS)
        found = status(cluster)
        assert found["events"] == 3
        assert found["seconds"] >= 90
        # A worker of an older version writes no states, but its positions move.
        assert states(found) == {"catching up", "up to date"}
        link.execute(AGE_POSITIONS)
        assert states(status(cluster)) == {"no worker"}


def test_old_events_that_nobody_ever_served_have_no_worker(cluster: CliCluster) -> None:
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(LATE, (cluster.topics[0], list("a")))
    assert states(status(cluster)) == {"no worker", "unused"}


def test_status_says_that_the_positions_are_of_another_history(cluster: CliCluster) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("UPDATE outbox.event SET event_id = gen_random_uuid() WHERE key = 'a'")
    found = status(cluster)
    assert "another event stands under id" in found["history_lost"]
    assert found["events"] is None
    assert found["seconds"] is None
    (lost,) = [shard for shard in found["shards"] if shard["state"] == "history lost"]
    assert lost["events"] is None
    assert lost["seconds"] is None
    assert states(found) == {"history lost", "no worker"}
    table = cluster.command("status")
    assert table.returncode == 1
    assert "history lost" in table.stdout
    assert "another event stands under id" in table.stdout
    assert "outbox-worker rebase" in table.stdout


def test_the_table_fits_in_a_hundred_columns_whatever_the_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner = f"{'g' * 100}.{'f' * 32}"
    states = ("history lost", "not counted", "other group", "up to date")
    shards = [
        cli._Shard(
            MirroredPosition(n, NOON, owner, "[b]" * 60, 12_345.6),
            states[n % 4],
            99_999_999,
            99_999.9,
        )
        for n in range(16)
    ]
    console = Console(width=100)
    room = 100 - cli.BESIDE_OWNER
    console.print(cli._as_table(shards, "group", room))
    rows = [line for line in capsys.readouterr().out.splitlines() if " s │" in line]
    assert len(rows) == 17
    assert {len(line) for line in rows} == {99}
    assert all("g…f" in line for line in rows[:16])
    assert all("…" not in line.replace("g…f", "") for line in rows)
    cli._show_long_names(shards, room, console)
    below = capsys.readouterr().out.splitlines()
    assert below[0].endswith(f" = {owner}")
    assert below[1:] == [f"other group: {'[b]' * 60} publishes here"]


def test_a_reader_may_ask_for_the_status(cluster: CliCluster) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    role = f"reader_{cluster.name}"
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(f"CREATE ROLE {role} LOGIN IN ROLE outbox_reader".encode())
    try:
        url = cluster.url.replace("postgres@", f"{role}@")
        assert states(status(cluster, database_url=url)) == {"no worker"}
    finally:
        with psycopg.connect(cluster.url, autocommit=True) as link:
            link.execute(f"DROP ROLE {role}".encode())


def test_status_counts_queued_commands_by_type(cluster: CliCluster) -> None:
    empty = status(cluster)["commands"]
    assert empty == {"queued": 0, "waiting": 0, "seconds": 0.0, "types": []}
    with psycopg.connect(cluster.url, autocommit=True) as link:
        for kind in ("CreateClass", "CreateClass", "[bold]CreateStudent"):
            link.execute("SELECT outbox.submit(%s, 'key', '{}', 'teacher')", (kind,))
        link.execute(
            "UPDATE outbox.command SET retry_at = now() + interval '1 hour', "
            "submitted_at = now() - interval '90 s' WHERE type LIKE '%Student'"
        )
    found = status(cluster)["commands"]
    kinds = {each["type"]: (each["commands"], each["waiting"]) for each in found["types"]}
    assert kinds == {"CreateClass": (2, 0), "[bold]CreateStudent": (1, 1)}
    assert (found["queued"], found["waiting"]) == (3, 1)
    assert 90 <= found["seconds"] < 200
    table = cluster.command("status").stdout
    assert "queued commands" in table
    assert "[bold]CreateStudent" in table


LOCK: Final = "LOCK TABLE outbox.{} IN ACCESS EXCLUSIVE MODE"


def test_what_cannot_be_counted_in_time_is_not_known_and_all_else_is_shown(
    cluster: CliCluster,
) -> None:
    cluster.write(*"abc")
    cluster.publish_all()
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("SELECT outbox.submit('CreateClass', 'key', '{}', 'teacher')")
    with psycopg.connect(cluster.url) as holder:
        holder.execute(LOCK.format("event").encode())
        found = status(cluster)
        shown = cluster.command("status")
    assert found["not_known"] == ["events", "history_lost"]
    assert states(found) == {"not counted"}
    assert (found["events"], found["seconds"]) == (None, None)
    assert {(each["events"], each["seconds"]) for each in found["shards"]} == {(None, None)}
    assert all(each["owner"] and each["position_seconds"] >= 0 for each in found["shards"])
    assert found["commands"]["queued"] == 1
    assert shown.returncode == 0, shown.stderr
    assert "?" in shown.stdout
    assert "workers: 1" in shown.stdout
    assert "CreateClass" in shown.stdout
    assert "Not known: events, history_lost" in shown.stdout
    assert status(cluster)["not_known"] == []


def test_commands_that_cannot_be_counted_are_not_known(cluster: CliCluster) -> None:
    with psycopg.connect(cluster.url) as holder:
        holder.execute(LOCK.format("command").encode())
        found = status(cluster)
        shown = cluster.command("status").stdout
    assert found["commands"] is None
    assert found["not_known"] == ["commands"]
    assert states(found) == {"unused"}
    assert "Not known: commands" in shown


def test_a_count_that_takes_too_long_is_not_known(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTBOX_DATABASE_URL", database)
    monkeypatch.setattr(cli, "OPTIONS", {"statement_timeout": "300ms"})
    with psycopg.connect(database) as holder:
        holder.execute(LOCK.format("event").encode())
        done = CliRunner().invoke(cli.command, ["--json"])
    assert json.loads(done.stdout)["not_known"] == ["events", "history_lost"]


def test_status_asks_within_bounds_and_by_the_indexes(database: str) -> None:
    with connections.connect(database, application="tests", options=cli.OPTIONS) as link:
        for name, value in {
            "lock_timeout": "2s",
            "statement_timeout": "20s",
            "jit": "off",
            "enable_seqscan": "off",
        }.items():
            assert link.execute(f"SHOW {name}".encode()).fetchone() == (value,)
