"""The installed command on databases of other encodings than UTF8."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.cli.conftest import CliCluster, run_command
from tests.harness.databases import make_empty_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer

FLOWS_S: Final = 40.0
PUBLISH: Final = "SELECT outbox.publish(%s, %s, 'order.placed', %s::jsonb, headers => %s::jsonb)"
PUBLISH_BYTES: Final = "SELECT outbox.publish_bytes(%s, %s, 'order.placed', %s)"
SUBMIT: Final = """
    SELECT outbox.submit(type => 'CreateClass', key => 'lärare', actor => 'lärare',
                         payload => '{"name": "Ünits", "course_codes": ["ENG5"]}')"""
SUCCEEDED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'succeeded'"
SCHEMAS: Final = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('outbox', 'school')"


def test_a_database_in_latin_1_is_as_good_as_one_in_utf_8(
    postgres: PostgresServer, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    url = postgres.url(make_empty_database(postgres, encoding="LATIN1"))
    bytes_beyond = '{"paid": "10 €"}'.encode()
    with CliCluster(url, kafka_bootstrap_servers, tmp_path) as cluster:
        cluster.run("migrate")
        topic = cluster.topics[0]
        with psycopg.connect(url, autocommit=True, client_encoding="utf8") as link:
            link.execute(PUBLISH, (topic, "kåre", '{"n": "Åsa"}', '{"från": "Skåne"}'))
            link.execute(PUBLISH_BYTES, (topic, "kåre", bytes_beyond))
            link.execute(SUBMIT)
            worker = cluster.worker(topic_prefix=f"{cluster.name}.", create_topics="1:1")
            wait_until(lambda: link.execute(SUCCEEDED).fetchone() == (1,), FLOWS_S, "a command")
            wait_until(lambda: cluster.waiting() == 0, FLOWS_S, "all is published")
        tail = [json.loads(line) for line in cluster.run(*tailed(topic)).splitlines()]
        assert [(each["key"], each["payload"]) for each in tail] == [
            ("kåre", {"n": "Åsa"}),
            ("kåre", {"paid": "10 €"}),
        ]
        wait_until(
            lambda: cluster.command("status").returncode == 0, FLOWS_S, "status finds all well"
        )
        assert worker.stop() == 0
        cluster.run("verify")


def tailed(topic: str) -> list[str]:
    return ["tail", topic, "--from-beginning", "--max", "2", "--json"]


@pytest.mark.parametrize("command", ["migrate", "run", "status"])
def test_one_that_holds_any_bytes_is_refused_before_anything_is_done(
    postgres: PostgresServer, command: str
) -> None:
    url = postgres.url(make_empty_database(postgres, encoding="SQL_ASCII"))
    settings: dict[str, Any] = {"kafka_bootstrap_servers": "127.0.0.1:1", "http_address": ""}
    ended = run_command(command, database_url=url, **settings)
    assert ended.returncode == 2, ended.stderr
    assert "SQL_ASCII" in ended.stderr
    assert "ENCODING 'UTF8'" in ended.stderr
    with psycopg.connect(url) as link:
        assert link.execute(SCHEMAS).fetchone() == (0,)
