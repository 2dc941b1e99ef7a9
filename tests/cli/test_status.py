"""`outbox-worker status` says where each shard stands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg

from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from tests.cli.conftest import Stage


def status(stage: Stage, **settings: str) -> dict[str, Any]:
    done = stage.command("status", "--json", **settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def states(found: dict[str, Any]) -> set[str]:
    return {shard["state"] for shard in found["shards"]}


def test_status_of_a_table_that_nobody_serves(stage: Stage) -> None:
    assert states(status(stage)) == {"unused"}
    stage.write("a", "a", "b")
    found = status(stage)
    assert found["events"] == 3
    assert states(found) == {"unused", "waiting"}


def test_status_names_owner_and_age_of_each_shard(stage: Stage) -> None:
    stage.write(*"abcdefgh")
    stage.workers(1)
    wait_until(lambda: states(status(stage)) == {"up to date"}, 30, "all shards are served")
    found = status(stage)
    assert len(found["shards"]) == 16
    assert found["events"] == 0
    assert {shard["group"] for shard in found["shards"]} == {stage.name}
    assert all(shard["owner"].startswith(stage.name) for shard in found["shards"])
    assert all(shard["position_seconds"] >= 0 for shard in found["shards"])
    table = stage.command("status").stdout
    assert "workers: 1" in table
    assert "up to date" in table


def test_status_says_that_another_group_publishes(stage: Stage) -> None:
    stage.write(*"abc")
    stage.publish_all()
    assert states(status(stage, group="another")) == {"other group"}
    assert f"other group: {stage.name}" in stage.command("status", group="another").stdout


def test_status_counts_queued_commands_by_type(stage: Stage) -> None:
    empty = status(stage)["commands"]
    assert empty == {"queued": 0, "waiting": 0, "seconds": 0.0, "types": []}
    with psycopg.connect(stage.url, autocommit=True) as link:
        for kind in ("CreateClass", "CreateClass", "[bold]CreateStudent"):
            link.execute("SELECT outbox.submit(%s, 'key', '{}', 'teacher')", (kind,))
        link.execute(
            "UPDATE outbox.command SET retry_at = now() + interval '1 hour', "
            "submitted_at = now() - interval '90 s' WHERE type LIKE '%Student'"
        )
    found = status(stage)["commands"]
    kinds = {each["type"]: (each["commands"], each["waiting"]) for each in found["types"]}
    assert kinds == {"CreateClass": (2, 0), "[bold]CreateStudent": (1, 1)}
    assert (found["queued"], found["waiting"]) == (3, 1)
    assert 90 <= found["seconds"] < 200
    table = stage.command("status").stdout
    assert "queued commands" in table
    assert "[bold]CreateStudent" in table
