"""What is wrong is said in one message that names what to do, with the contract's exit code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.local.ports import HOST, free_port
from tests.cli.conftest import run_command
from tests.harness.waiting import patient
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from tests.cli.conftest import CliCluster

SECRET: Final = "hush-hush"
NEED_DATABASE: Final = (("status",), ("verify",), ("rebase",), ("migrate",), ("run",))
NEED_KAFKA: Final = (("verify",), ("rebase",), ("run",), ("tail", "some.topic"))
READ_TABLE: Final = (("status",), ("verify",), ("rebase",), ("run",))
UNREADABLE: Final = "/proc/self/mem"
"""A file that nobody can read from its beginning, root neither."""

NO_ONE: Final = "CREATE ROLE {0} LOGIN PASSWORD 'x'"


def check(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One message with these words, the code, no traceback, no password."""
    assert done.returncode == code, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("command", NEED_DATABASE)
def test_no_database_url(command: tuple[str, ...]) -> None:
    check(run_command(*command), 2, "OUTBOX_DATABASE_URL is not set", "hint")


@pytest.mark.parametrize("command", NEED_KAFKA)
def test_no_broker_address(command: tuple[str, ...], database: str) -> None:
    done = run_command(*command, database_url=database)
    check(done, 2, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS is not set", "hint")


@pytest.mark.parametrize("command", NEED_DATABASE)
def test_a_database_that_is_away(command: tuple[str, ...]) -> None:
    url = f"postgresql://someone:{SECRET}@{HOST}:{free_port()}/db"
    done = run_command(*command, database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    check(done, 3, "OUTBOX_DATABASE_URL")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_while_it_starts(number: signal.Signals) -> None:
    """It is asking a database that says nothing."""
    with socket.create_server((HOST, 0)) as silent:
        # Long enough that it is the signal that ends the asking.
        url = f"postgresql://someone@{HOST}:{silent.getsockname()[1]}/db?connect_timeout=60"
        settings = {"database_url": url, "kafka_bootstrap_servers": "127.0.0.1:1"}
        order = (COMMAND, "run")
        with subprocess.Popen(order, env=environment(settings), stderr=subprocess.PIPE) as worker:
            caller = silent.accept()[0]
            worker.send_signal(number)
            assert worker.wait(patient(60)) == 0
            assert worker.stderr is not None
            assert worker.stderr.read() == b""
            caller.close()


@pytest.mark.parametrize("command", NEED_KAFKA)
def test_a_broker_that_is_away(command: tuple[str, ...], database: str) -> None:
    with psycopg.connect(database) as link:
        link.execute("SELECT outbox.publish('some.topic', 'k', 't', '{}'::jsonb)")
    address = f"{HOST}:{free_port()}"
    done = run_command(*command, database_url=database, kafka_bootstrap_servers=address)
    check(done, 3, "OUTBOX_KAFKA_BOOTSTRAP_SERVERS")


@pytest.mark.parametrize("command", NEED_DATABASE)
def test_a_database_url_that_is_none(command: tuple[str, ...]) -> None:
    url = f"postgresql://someone:{SECRET}@[/db"
    done = run_command(*command, database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    check(done, 2, "OUTBOX_DATABASE_URL")


@pytest.mark.parametrize("command", NEED_DATABASE)
def test_a_database_url_with_a_time_out_that_is_no_number(command: tuple[str, ...]) -> None:
    url = f"postgresql://someone@{HOST}/db?connect_timeout=abc"
    done = run_command(*command, database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    check(done, 2, "connect_timeout of OUTBOX_DATABASE_URL", "hint")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (f"?connect_timeout={SECRET}", "connect_timeout"),
        (f"?keepalives_idle={SECRET}", "keepalives_idle"),
        (f"?sslmode={SECRET}", "sslmode"),
        (f"?target_session_attrs={SECRET}", "target_session_attrs"),
        (f"?service={SECRET}", "service"),
        ("?sslrootcert=system&sslmode=require", "sslrootcert"),
        (f"?port={SECRET}", "port"),
        ("?port=65536", "port"),
        ("?port=1,2", "port"),
        ("?host=a..b", "host"),
    ],
)
def test_the_part_of_a_database_url_that_is_wrong_is_named(parameters: str, name: str) -> None:
    """Without its value: of a password that is not encoded a piece is taken for another part."""
    done = run_command("status", database_url=f"postgresql://someone@{HOST}/db{parameters}")
    check(done, 2, f"The part {name} of OUTBOX_DATABASE_URL", "hint")


def test_a_password_that_is_not_encoded_is_no_port() -> None:
    done = run_command("status", database_url=f"postgresql://someone:{SECRET}/db")
    check(done, 2, "The part port of OUTBOX_DATABASE_URL", "percent-encode")


def test_a_variable_of_libpq_that_is_wrong_is_told_from_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSSLMODE", "bogus")
    done = run_command("status", database_url=f"postgresql://someone@{HOST}:{free_port()}/db")
    check(done, 2, "PG variable", "hint")


def test_a_database_url_that_is_no_text() -> None:
    done = run_command("status", database_url=os.fsdecode(b"postgresql://someone@host\xff/db"))
    check(done, 2, "OUTBOX_DATABASE_URL", "hint")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("create_topics", "many"),
        ("batch_rows", "0"),
        ("http_address", "nowhere"),
        ("log_level", "loud"),
        ("compression", "brotli"),
        ("group", "two words"),
        ("kafka_properties", "/no/such/file"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str, database: str) -> None:
    done = run_command("status", database_url=database, **{name: value})
    check(done, 2, f"OUTBOX_{name.upper()}")


def test_a_property_that_the_guarantee_rests_on_is_refused(
    cluster: CliCluster, tmp_path: Path
) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text(f"sasl.password={SECRET}\nacks=1\n")
    check(cluster.command("verify", kafka_properties=str(file)), 2, "acks", "line 2")


@pytest.mark.parametrize("line", ["compression.level=99", "linger.ms=soon"])
def test_a_property_that_a_producer_refuses_ends_a_worker_before_it_joins(
    line: str, cluster: CliCluster, tmp_path: Path
) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text(f"client.rack={SECRET}\n{line}\n")
    done = cluster.command("run", "--role", "relay", kafka_properties=str(file))
    check(done, 2, "librdkafka refuses a property", "OUTBOX_KAFKA_PROPERTIES", "hint")
    assert "started" not in done.stderr


def test_a_properties_file_that_is_not_utf_8(cluster: CliCluster, tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_bytes(f"sasl.password={SECRET}\n".encode() + "# Schlüssel\n".encode("latin-1"))
    done = cluster.command("verify", kafka_properties=str(file))
    check(done, 2, "OUTBOX_KAFKA_PROPERTIES", str(file), "UTF-8", "hint")


def test_a_properties_file_that_cannot_be_read(cluster: CliCluster) -> None:
    done = cluster.command("verify", kafka_properties=UNREADABLE)
    check(done, 2, "OUTBOX_KAFKA_PROPERTIES", UNREADABLE, "hint")


@pytest.mark.parametrize("command", READ_TABLE)
@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("DELETE FROM outbox.migration WHERE number > 1", "outbox-worker migrate"),
        (
            "INSERT INTO outbox.migration VALUES ('outbox-worker', 99, 'later', 'x')",
            "newer release",
        ),
        ("DROP SCHEMA outbox CASCADE", "outbox-worker migrate"),
    ],
    ids=["older", "newer", "none"],
)
def test_a_schema_of_another_version(
    command: tuple[str, ...], statement: str, word: str, database: str
) -> None:
    with psycopg.connect(database) as link:
        link.execute(statement.encode())
    done = run_command(*command, database_url=database, kafka_bootstrap_servers="127.0.0.1:1")
    check(done, 4, word)


@pytest.mark.parametrize("command", READ_TABLE)
def test_a_user_without_rights(
    command: tuple[str, ...], database: str, postgres: PostgresServer
) -> None:
    name = database.rpartition("/")[2]
    role = f"nobody_{name}_{command[0]}"
    with psycopg.connect(database, autocommit=True) as link:
        link.execute(NO_ONE.format(role).encode())
    url = postgres.url(name, user=role)
    done = run_command(*command, database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    check(done, 3, "Grant this user")


def test_an_unknown_command_and_a_wrong_option_are_wrong_usage() -> None:
    assert run_command("no-such-command").returncode == 2
    assert run_command("status", "--no-such-option").returncode == 2
    assert run_command("rebase", "--since", "yesterday").returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        ("purge", "--older-than-days", "1000000"),
        ("purge", "--older-than-days", "9" * 400),
        ("purge", "--older-than-days", "0"),
        ("purge", "--older-than-days", "1", "--idempotency-days", "1000000"),
        ("tail", "some.topic", "--max", "9" * 40),
        ("tail", "some.topic", "--max", "0"),
    ],
    ids=lambda command: " ".join(each[:9] for each in command),
)
def test_a_number_that_is_out_of_range_is_wrong_usage(command: tuple[str, ...]) -> None:
    done = run_command(*command)
    assert done.returncode == 2
    assert "is not in the range" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_at_the_ends_of_the_calendar_can_be_given(cluster: CliCluster, since: str) -> None:
    cluster.write("k")
    done = cluster.command("rebase", "--since", since)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [("status", 0), ("verify", 2), ("run", 2), ("tail orders", 2)]
)
def test_a_standard_error_that_is_closed_changes_no_exit_code(
    arguments: str, code: int, database: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{COMMAND} {arguments} 2>&-"],
        check=False,
        capture_output=True,
        env=environment({"database_url": database}),
        timeout=patient(60),
    )
    assert done.returncode == code
    assert bool(done.stdout) is (code == 0)


def test_a_group_whose_name_looks_like_markup(cluster: CliCluster) -> None:
    for command in (("status",), ("rebase", "--execute")):
        done = cluster.command(*command, group="[/red]")
        assert done.returncode == 0, done.stderr
        assert "[/red]" in done.stdout
