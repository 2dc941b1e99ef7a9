"""Incidents of commands, from the alarm to the last command: a bad release, a missing right."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from outbox_worker.doctor.finding import Level
from tests.cli.conftest import run_command
from tests.commands.inbox import events, look, submit
from tests.doctor.conftest import Doctor, login
from tests.harness.cluster import free_address
from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, Worker

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.stores import Connection

STUDENT: Final = {"first_name": "Ada", "last_name": "Lovelace"}
BAD_RELEASE: Final = """
    CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RETURN 1 / 0; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON school.class
        FOR EACH ROW EXECUTE FUNCTION public.fail()"""
ROLL_BACK: Final = "DROP TRIGGER fail ON school.class"
DO_S: Final = 40.0


def test_what_a_bad_release_set_aside_is_executed_once_it_is_rolled_back(
    connection: Connection, database: str, tmp_path: Path
) -> None:
    order = [COMMAND, "run", "--role", "commands"]
    address = free_address()
    given = {"database_url": database, "http_address": address, "command_attempts": "2"}
    worker = Worker("worker", tmp_path / "worker.log", order, **given)
    try:
        wait_until(lambda: worker.ready()[0] == 200, DO_S, "the worker is ready")
        shown = {"type": "CreateClass", "outcome": "set_aside"}
        assert worker.metrics().value("outbox_commands_total", **shown) == 0, "it can increase"
        connection.execute(BAD_RELEASE, prepare=False)
        broken = submit(connection)
        behind = submit(connection, "CreateStudent", STUDENT)
        wait_until(lambda: look(connection, behind).result, DO_S, "the key continues")
        assert look(connection, broken).status == "rejected"
        # The alarm, and what the person who is paged finds.
        wait_until(
            lambda: worker.metrics().value("outbox_commands_total", **shown) == 1,
            DO_S,
            "it is counted",
        )
        found = Doctor(database).look("commands.failing")
        assert found.level is Level.FAIL
        show, retry = (shlex.split(line)[1:] for line in found.run)
        with login(connection, "outbox_operator") as url:
            done = run_command(*show, database_url=url)
            assert "DivisionByZero: division by zero" in done.stdout, done.stderr
            connection.execute(ROLL_BACK)
            assert run_command(*retry, database_url=url).returncode == 0
            assert look(connection, broken).status == "rejected", "that was the plan only"
            assert run_command(*retry, "--execute", database_url=url).returncode == 0
        wait_until(lambda: look(connection, broken).result, DO_S, "it is executed")
        assert [kind for kind, _ in events(connection)] == [
            "command.rejected.v1",
            "class.student.created.v1",
            "class.created.v1",
        ]
        assert worker.stop() == 0
    finally:
        worker.end()
        print(worker.log.read_text())  # noqa: T201  pytest shows it with a failure


def test_commands_that_lack_a_right_wait_and_are_executed_once_it_is_granted(
    connection: Connection, tmp_path: Path
) -> None:
    order = [COMMAND, "run", "--role", "commands"]
    connection.execute("REVOKE INSERT ON school.class FROM outbox_domain, outbox_commands")
    with login(connection, "outbox_commands") as url:
        worker = Worker("worker", tmp_path / "worker.log", order, database_url=url, http_address="")
        try:
            denied = [submit(connection, key=key) for key in "ab"]
            fine = submit(connection, "CreateStudent", STUDENT, key="c")
            wait_until(lambda: worker.said("right_missing"), DO_S, "the log says so")
            wait_until(lambda: look(connection, fine).result, DO_S, "other commands are executed")
            wait_until(
                lambda: all(look(connection, each).retry_at for each in denied), DO_S, "they wait"
            )
            found = Doctor(url).look("commands.rights")
            assert found.level is Level.FAIL
            (grant,) = found.run
            connection.execute(grant.encode())
            wait_until(
                lambda: all(look(connection, each).result for each in denied), DO_S, "they are"
            )
            assert worker.stop() == 0
            lines = [line for line in worker.lines() if line["event"] == "right_missing"]
            assert [line["hint"] for line in lines] == [f"As the owner: {grant}"]
            assert {look(connection, each).failures for each in denied} == {0}
        finally:
            worker.end()
            print(worker.log.read_text())  # noqa: T201  pytest shows it with a failure
