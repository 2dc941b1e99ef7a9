"""The installed command under a login and an environment with values of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import psycopg

from tests.harness.logins import strange
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster

KEYS: Final = ("order-1", "заказ-1", "注文-1", "заказ-1")
"""Two of them have no form in LATIN1."""

SUBMIT: Final = """
    SELECT outbox.submit(type => 'CreateClass', key => 'учитель', actor => 'учитель',
                         payload => '{"name": "Класс", "course_codes": ["ENG5"]}')::text
"""
ENVIRONMENT: Final[Mapping[str, str]] = {
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "SQL, DMY",
    "PGTZ": "Asia/Kathmandu",
    "PGOPTIONS": "-c statement_timeout=150ms -c IntervalStyle=sql_standard",
}
RESULTS: Final = "SELECT status FROM outbox.command"
AGE: Final = "UPDATE outbox.command SET finished_at = finished_at - interval '20 days'"
RESULT_S: Final = 40.0


def all_succeeded(connection: Connection) -> bool:
    return connection.execute(RESULTS).fetchall() == [("succeeded",)]


def publish_and_execute(cluster: CliCluster, connection: Connection) -> None:
    """Let a worker do both, with keys and a name that have no form in LATIN1."""
    with psycopg.connect(cluster.url, client_encoding="UTF8", autocommit=True) as link:
        cluster.write_by(link, *KEYS)
    assert connection.execute(SUBMIT).fetchone() is not None
    worker = cluster.worker(topic_prefix=f"{cluster.name}.", create_topics="1:1")
    wait_until(lambda: all_succeeded(connection), RESULT_S, "the command is executed")
    wait_until(lambda: cluster.waiting() == 0, RESULT_S, "all events are published")
    wait_until(lambda: cluster.command("status").returncode == 0, RESULT_S, "status finds all well")
    assert worker.stop() == 0


def done(cluster: CliCluster, *arguments: str) -> str:
    """What a command that has to work printed."""
    ended = cluster.command(*arguments)
    assert ended.returncode == 0, (arguments, ended.stderr)
    return ended.stdout


def test_all_works_under_a_login_with_settings_of_its_own(
    cluster: CliCluster, connection: Connection
) -> None:
    cluster.settings["database_url"] = strange(cluster.url)
    publish_and_execute(cluster, connection)
    found = json.loads(done(cluster, "verify", "--json"))
    assert (found["lost"], found["duplicated"], found["out_of_order"]) == (0, 0, 0)
    done(cluster, "rebase")
    done(cluster, "migrate")
    connection.execute(AGE)
    purged = json.loads(done(cluster, "purge", "--older-than-days", "10", "--json"))
    assert purged["removed"]["finished commands"] == 1


def test_all_works_in_an_environment_with_settings_of_its_own(
    cluster: CliCluster, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    publish_and_execute(cluster, connection)
