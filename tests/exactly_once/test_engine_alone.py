"""Without an application: a database with the engine's tables alone, by the installed command."""

from __future__ import annotations

import subprocess
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.cli.conftest import run_command
from tests.harness.databases import make_empty_database
from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from outbox_worker.local.postgres import PostgresServer

pytestmark = pytest.mark.slow


def test_a_relay_needs_only_the_tables_of_the_engine(
    postgres: PostgresServer, kafka_bootstrap_servers: str
) -> None:
    url = postgres.url(make_empty_database(postgres))
    topic = f"alone-{uuid.uuid4().hex[:8]}"
    given = {
        "database_url": url,
        "kafka_bootstrap_servers": kafka_bootstrap_servers,
        "group": topic,
        "application": "",
        "create_topics": "1:1",
        "http_address": "",
    }
    assert run_command("migrate", **given).returncode == 0
    with (
        psycopg.connect(url, autocommit=True) as link,
        subprocess.Popen([COMMAND, "run"], env=environment(given)) as worker,
    ):
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('outbox', 'school', 'domain')"
        assert link.execute(schemas).fetchall() == [("outbox",)]
        link.execute("SELECT outbox.publish(%s, 'k', 'thing.made', '{}')", (topic,))
        link.execute("SELECT outbox.submit('CreateClass', 'k', '{}', 'anna')")
        try:
            read = ("tail", topic, "--from-beginning", "--max", "1")
            wait_until(lambda: run_command(*read, **given).returncode == 0, 60, "the event is read")
            asked = "SELECT status, error ->> 'code' FROM outbox.command"
            wait_until(
                lambda: link.execute(asked).fetchall() == [("rejected", "UNKNOWN_COMMAND_TYPE")],
                60,
                "the command is rejected",
            )
            wait_until(
                lambda: run_command("status", **given).returncode == 0, 60, "status finds all well"
            )
            for command in (("verify",), ("purge", "--older-than-days", "1")):
                done = run_command(*command, **given)
                assert done.returncode == 0, done.stdout + done.stderr
        finally:
            worker.terminate()
    assert worker.returncode == 0
