"""Passwords that change beside a running worker: each new connection uses the one of its moment."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo
from psycopg import sql as identifiers

from outbox_worker.local.postgres import PostgresServer
from tests.cli.conftest import CliCluster
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGIN: Final = "short_lived"
RULES: Final = f"""
host all {LOGIN} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
local all all trust
"""
MAKE_LOGIN: Final = f"CREATE ROLE {LOGIN} LOGIN IN ROLE outbox_worker"
SET_PASSWORD: Final = identifiers.SQL(f"ALTER ROLE {LOGIN} PASSWORD {{}}")
CUT_OFF: Final = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
SUBMIT: Final = """
    SELECT outbox.submit(type => 'CreateClass', key => 'teacher', actor => 'teacher',
                         payload => '{"name": "9A", "course_codes": ["ENG5"]}')::text
"""
SUCCEEDED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'succeeded'"
FLOWS_S: Final = 40.0


@pytest.fixture(scope="module")
def strict() -> Iterator[PostgresServer]:
    """A server that asks one login for its password."""
    with PostgresServer() as server:
        (server.directory / "data" / "pg_hba.conf").write_text(RULES)
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("SELECT pg_reload_conf()")
        make_database(server)
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute(MAKE_LOGIN.encode())
        yield server


@pytest.fixture
def guarded(
    strict: PostgresServer, kafka_bootstrap_servers: str, tmp_path: Path
) -> Iterator[CliCluster]:
    """A cluster on that server; it itself needs no password."""
    url = strict.url(make_database(strict))
    with CliCluster(url, kafka_bootstrap_servers, tmp_path) as cluster:
        yield cluster


def change_password(cluster: CliCluster, password: str) -> None:
    """Give the login another password; who is connected stays so."""
    with psycopg.connect(cluster.url, autocommit=True) as admin:
        admin.execute(SET_PASSWORD.format(identifiers.Literal(password)))


def settings_of(cluster: CliCluster, way: str, password: str) -> dict[str, str]:
    """How a worker gets the password: the file is written anew, the settings stay the same."""
    url = conninfo.make_conninfo(cluster.url, user=LOGIN)
    if way == "a file":
        file = cluster.folder / "passwords"
        file.write_text(f"*:*:*:{LOGIN}:{password}\n")
        file.chmod(0o600)
        return {"database_url": conninfo.make_conninfo(url, passfile=str(file))}
    token = cluster.folder / "token"
    token.write_text(f"{password}\n")
    command = shlex.join(["cat", str(token)])
    return {"database_url": url, "database_password_command": command}


def await_all(cluster: CliCluster, commands: int) -> None:
    """Wait until all events are published, and so many commands executed."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        wait_until(lambda: cluster.waiting() == 0, FLOWS_S, "all is published")
        done = (commands,)
        wait_until(lambda: link.execute(SUCCEEDED).fetchone() == done, FLOWS_S, "commands")


@pytest.mark.parametrize("way", ["a file", "a command"])
def test_a_worker_goes_on_with_the_password_of_the_day(guarded: CliCluster, way: str) -> None:
    change_password(guarded, "first-s3cret")
    settings = settings_of(guarded, way, "first-s3cret")
    worker = guarded.worker(topic_prefix=f"{guarded.name}.", create_topics="1:1", **settings)
    with psycopg.connect(guarded.url, autocommit=True) as link:
        guarded.write(*"abc")
        link.execute(SUBMIT)
        await_all(guarded, 1)
        change_password(guarded, "second-s3cret")
        settings_of(guarded, way, "second-s3cret")
        link.execute(CUT_OFF, (LOGIN,))
        guarded.write(*"abc")
        link.execute(SUBMIT)
        await_all(guarded, 2)
    assert worker.stop() == 0
    assert "s3cret" not in worker.log.read_text()


def test_a_command_that_fails_is_said_with_exit_code_3(guarded: CliCluster) -> None:
    ended = guarded.command("status", database_password_command="false --token s3cret")
    assert ended.returncode == 3
    assert "false" in ended.stderr
    assert "s3cret" not in ended.stderr
