"""Why a shard does not move, as a person sees it: `status`, the view, the metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import psycopg

from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import CliCluster

NOTICE_S: Final = 60.0
AGED: Final = "UPDATE outbox.shard_state SET seen_at = seen_at - interval '16 s'"
READ: Final = "SELECT shard, state, reason, hint, event::text, topic, since FROM outbox.lag"


def look(cluster: CliCluster) -> tuple[int, dict[str, dict[int, Any]]]:
    """The exit code, and by state the shards that are in it."""
    done = cluster.command("status", "--json")
    found: dict[str, dict[int, Any]] = {}
    for shard in json.loads(done.stdout)["shards"]:
        found.setdefault(shard["state"], {})[shard["shard"]] = shard
    return done.returncode, found


def await_all(cluster: CliCluster, state: str) -> dict[int, Any]:
    wait_until(lambda: set(look(cluster)[1]) == {state}, NOTICE_S, f"all shards: {state}")
    return look(cluster)[1][state]


def test_a_missing_topic_holds_its_shard_with_event_and_hint_and_a_stop_leaves_no_worker(
    cluster: CliCluster,
) -> None:
    cluster.settings["http_address"] = free_address()
    (worker,) = cluster.workers(1)
    await_all(cluster, "up to date")
    assert look(cluster)[0] == 0
    assert cluster.name in cluster.command("status").stdout
    cluster.topics.insert(0, f"{cluster.name}.gone")
    (event,) = cluster.write("a")
    wait_until(lambda: "held" in look(cluster)[1], NOTICE_S, "the shard is held")
    code, found = look(cluster)
    assert code == 1
    (held,) = found["held"].values()
    assert (held["event"], held["topic"]) == (event, f"{cluster.name}.gone")
    assert held["reason"]
    assert held["hint"]
    assert held["state_seconds"] >= 0
    assert len(found["up to date"]) == 15
    table = cluster.command("status")
    assert table.returncode == 1
    assert event in table.stdout
    assert held["hint"] in table.stdout
    metrics = worker.metrics()
    assert metrics.value("outbox_shards", state="held") == 1
    assert metrics.value("outbox_shards", state="up_to_date") == 15
    with psycopg.connect(cluster.url, autocommit=True) as link:
        rows = {row[0]: row[1:] for row in link.execute(READ)}
        assert rows[held["shard"]][:5] == (
            "held",
            held["reason"],
            held["hint"],
            event,
            f"{cluster.name}.gone",
        )
        assert {row[0] for row in rows.values()} == {"held", "up_to_date"}
        assert worker.stop() == 0
        gone = await_all(cluster, "no worker")
        assert {each["reason"] for each in gone.values()} == {
            "its worker stopped, and no other has taken it over"
        }
        assert look(cluster)[0] == 1
        assert "workers: 0" in cluster.command("status").stdout


def test_a_worker_that_is_killed_is_missed_by_its_sign_of_life(cluster: CliCluster) -> None:
    (worker,) = cluster.workers(1)
    await_all(cluster, "up to date")
    worker.kill()
    # It was alive a moment ago: nobody can know yet.
    assert set(look(cluster)[1]) == {"up to date"}
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(AGED)
        link.execute("UPDATE outbox.position SET updated_at = updated_at - interval '16 s'")
    code, found = look(cluster)
    assert (code, set(found)) == (1, {"no worker"})
    assert {each["reason"] for each in found["no worker"].values()} == {
        "no worker gives a sign of life for it"
    }


def test_an_idle_worker_gives_a_sign_of_life(cluster: CliCluster) -> None:
    cluster.workers(1)
    await_all(cluster, "up to date")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(AGED)
        link.execute("UPDATE outbox.position SET updated_at = updated_at - interval '16 s'")
    # No event is written, no position moves.
    await_all(cluster, "up to date")
