"""`outbox-worker commands`: an operator finds what failed and why, and has it tried again."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cli.conftest import run_command
from tests.commands.inbox import look, submit
from tests.doctor.conftest import login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.stores import Connection

FAIL: Final = """
    WITH failed AS (
        UPDATE outbox.command SET status = 'rejected', finished_at = now(), failures = 9,
            error = '{"code": "INTERNAL_ERROR", "message": "x", "details": {}}'
        WHERE command_id = %(id)s RETURNING command_id)
    INSERT INTO outbox.command_history
        (command_id, what, attempt, written_by, error_type, error, place)
    SELECT command_id, 'set_aside', 10, 'worker-1', 'KeyError', '(hidden)', 'shop/orders.py:7 in do'
    FROM failed"""
WAIT: Final = """
    UPDATE outbox.command SET failures = 1, retry_at = now() + interval '1 h'
    WHERE command_id = %(id)s"""


@pytest.fixture
def aside(connection: Connection) -> uuid.UUID:
    """A command that was set aside; its key has something that moves a terminal's cursor."""
    command_id = submit(connection, key="k\x1b[2J")
    connection.execute(FAIL, {"id": command_id})
    return command_id


@pytest.fixture
def run(connection: Connection) -> Iterator[Callable[..., Any]]:
    """The command with the login of an operator."""
    with login(connection, "outbox_operator") as url:
        yield partial(run_command, "commands", database_url=url)


def test_list_and_show_say_what_failed_and_why(
    connection: Connection, aside: uuid.UUID, run: Callable[..., Any]
) -> None:
    waiting, fine = submit(connection, "DeleteClass", {}), submit(connection)
    connection.execute(WAIT, {"id": waiting})
    done = run("list")
    assert done.returncode == 0, done.stderr
    assert "KeyError: (hidden) (shop/orders.py:7 in do)" in done.stdout
    assert "\\u001b[2J" in done.stdout
    assert "\x1b" not in done.stdout
    assert "2 commands" in done.stdout
    assert str(fine) not in done.stdout
    for given, wanted in (
        ((), [aside, waiting]),
        (("--state", "set_aside"), [aside]),
        (("--state", "waiting"), [waiting]),
        (("--type", "DeleteClass"), [waiting]),
        (("--key", "k\x1b[2J"), [aside]),
        (("--since", "2999-01-01"), []),
        (("--limit", "1"), [aside]),
    ):
        found = json.loads(run("list", "--json", *given).stdout)["commands"]
        assert [each["command_id"] for each in found] == list(map(str, wanted)), given
    shown = run("show", str(aside))
    assert "set_aside, failures 10, by worker-1" in shown.stdout
    assert '"course_codes": ["ENG5"]' in shown.stdout
    found = json.loads(run("show", str(aside), "--json").stdout)
    assert (found["status"], found["set_aside"]) == ("rejected", True)
    assert [each["what"] for each in found["history"]] == ["set_aside"]


def test_retry_shows_its_plan_and_does_it_with_execute(
    connection: Connection, aside: uuid.UUID, run: Callable[..., Any]
) -> None:
    later = submit(connection, key="k\x1b[2J")
    connection.execute(
        "UPDATE outbox.command SET status = 'succeeded', result = '{}', finished_at = now() "
        "WHERE command_id = %s",
        (later,),
    )
    before = look(connection, aside)
    done = run("retry", "--all")
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if str(aside) in line]
    assert [cell.strip() for cell in row.split("│")[-3:-1]] == ["1", "1"]
    assert "later ones of the key have run" in " ".join(done.stdout.split())
    assert "nothing is changed" in done.stdout
    assert look(connection, aside) == before
    done = run("retry", str(aside), "--execute")
    assert done.returncode == 0, done.stderr
    assert "1 commands are tried again" in done.stdout
    assert look(connection, aside).status == "queued"
    operator = json.loads(run("show", str(aside), "--json").stdout)["history"][-1]
    assert operator["what"] == "retried"
    assert operator["written_by"].startswith("login_")
    again = run("retry", str(aside), "--execute")
    assert (again.returncode, again.stdout) == (1, "")
    assert "is queued, and nothing waits to be tried again" in again.stderr


@pytest.mark.parametrize("given", [(), ("--all", "--type", "T"), (str(uuid.uuid4()), "--all")])
def test_retry_takes_one_way_to_name_commands(
    given: tuple[str, ...], run: Callable[..., Any]
) -> None:
    done = run("retry", *given, "--execute")
    assert done.returncode == 2
    assert "Give their ids, or --type" in done.stderr


def test_a_login_that_is_no_operator_changes_nothing(
    connection: Connection, aside: uuid.UUID
) -> None:
    with login(connection, "outbox_worker") as url:
        assert str(aside) in run_command("commands", "list", database_url=url).stdout
        done = run_command("commands", "retry", "--all", "--execute", database_url=url)
    assert done.returncode == 3
    assert "outbox_operator" in done.stderr
    assert look(connection, aside).status == "rejected"
