"""What failed on every attempt: why is kept, and an operator has it tried again."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from structlog.testing import capture_logs

from outbox_worker.application import Application
from outbox_worker.commands import executor as product
from outbox_worker.commands import floors, pace, rejection, retries
from outbox_worker.commands.history import entry_of
from outbox_worker.commands.outcome import (
    Failed,
    GroupUndone,
    Idle,
    Postponed,
    SetAside,
    Succeeded,
)
from outbox_worker.commands.retries import Selection
from outbox_worker.errors import WorkFailedError
from outbox_worker.logs import safe_text
from outbox_worker.postgres import database as connections
from outbox_worker.stores import command as inbox
from outbox_worker.stores import finished, retry
from outbox_worker.stores.retry import Later
from tests.commands.inbox import (
    CLASS,
    events,
    look,
    make_due,
    new_executor,
    run_all,
    submit,
)
from tests.doctor.conftest import login

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from outbox_worker.commands.executor import Executor
    from outbox_worker.stores import Connection

SECRET: Final = "the bug's own words"
LONG_S: Final = 3_600.0
BROKEN: Final = {**CLASS, "name": "broken"}
SEQ: Final = "SELECT seq FROM outbox.command WHERE command_id = %s"


@pytest.fixture(autouse=True)
def _retries_are_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the test takes, no command is due again by itself."""
    monkeypatch.setattr(product, "pause_after", lambda _: LONG_S)
    monkeypatch.setattr(product, "pause_after_failures", lambda _: LONG_S)


class Release:
    """The application of a release: `is_broken` says whether it fails for classes of one name."""

    def __init__(self) -> None:
        self.is_broken = True


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    """One that does its work and then fails."""
    handle: Callable[..., BaseModel] = Application.handle
    found = Release()

    def maybe_broken(*given: Any, **more: Any) -> BaseModel:  # noqa: ANN401
        result = handle(*given, **more)
        if found.is_broken and getattr(given[-1], "name", "") == "broken":
            raise ZeroDivisionError(SECRET)
        return result

    monkeypatch.setattr(Application, "handle", maybe_broken)
    return found


def try_until_set_aside(executor: Executor, link: Connection) -> SetAside:
    """The outcome of the last attempt."""
    outcome = executor.run_once(link)
    while isinstance(outcome, Failed):
        make_due(link)
        outcome = executor.run_once(link)
    assert isinstance(outcome, SetAside)
    return outcome


def number(link: Connection, command_id: uuid.UUID) -> int:
    row = link.execute(SEQ, (command_id,)).fetchone()
    assert row is not None
    return int(row[0])


def test_each_failure_is_kept_with_its_cause_and_without_values(
    connection: Connection, release: Release
) -> None:
    command_id = submit(connection, payload=BROKEN)
    executor, _ = new_executor(attempts=3)
    try_until_set_aside(executor, connection)
    history = retry.list_history(connection, command_id)
    assert [(each.what, each.attempt) for each in history] == [
        ("failed", 1),
        ("failed", 2),
        ("set_aside", 3),
    ]
    assert {each.error_type for each in history} == {"ZeroDivisionError"}
    assert {each.error for each in history} == {safe_text.HIDDEN}
    assert all("tests/commands/test_set_aside.py" in (each.place or "") for each in history)
    (found,) = retries.select(connection, Selection())
    assert (found.command_id, found.state, found.failures) == (command_id, "set_aside", 3)
    assert retries.show(connection, command_id).is_set_aside


def test_the_message_of_a_cause_is_kept_where_logs_show_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(safe_text, "_choice", safe_text._Choice(shows_values=True))
    found = entry_of("failed", 1, "worker", ZeroDivisionError(f"{SECRET}\x1b" + "x" * 5_000))
    assert found.error.startswith(f"{SECRET}\\u001b")
    assert (len(found.error), found.place) == (1_000, "")


def test_what_was_set_aside_is_retried_behind_what_is_queued_of_its_key(
    connection: Connection, release: Release
) -> None:
    command_id = submit(connection, payload=BROKEN)
    executor, _ = new_executor(attempts=1)
    try_until_set_aside(executor, connection)
    release.is_broken = False
    ran = submit(connection)
    run_all(executor, connection)
    same, queued = submit(connection, payload=BROKEN), submit(connection)
    before = look(connection, command_id)
    planned = retries.plan(connection, Selection(ids=(command_id,)))
    assert planned.later == {command_id: Later(finished=1, same=1)}
    assert look(connection, command_id) == before, "a plan changes nothing"
    assert retries.execute(connection, planned.commands) == planned.commands
    row = look(connection, command_id)
    assert (row.status, row.error, row.failures, row.finished_at) == ("queued", None, 0, None)
    assert number(connection, command_id) > number(connection, queued)
    run_all(executor, connection)
    assert look(connection, command_id).status == "succeeded"
    created = [
        payload["class_id"] for kind, payload in events(connection) if kind == "class.created.v1"
    ]
    assert created == [str(each) for each in (ran, same, queued, command_id)]
    assert events(connection)[0][0] == "command.rejected.v1"
    last = retry.list_history(connection, command_id)[-1]
    assert (last.what, last.written_by) == ("retried", connection.info.user)
    assert retries.select(connection, Selection()) == []


def test_what_waits_for_its_next_attempt_is_due_at_once_in_its_place(
    connection: Connection, release: Release
) -> None:
    command_id, behind = submit(connection, payload=BROKEN), submit(connection)
    executor, _ = new_executor(attempts=2)
    assert isinstance(executor.run_once(connection), Failed)
    assert isinstance(executor.run_once(connection), Idle)
    (found,) = retries.select(connection, Selection(state="waiting"))
    assert (found.command_id, found.failures, found.error_type) == (
        command_id,
        1,
        "ZeroDivisionError",
    )
    assert retries.execute(connection, [found]) == [found]
    # All attempts are before it: the first of them sets nothing aside.
    assert isinstance(executor.run_once(connection), Failed)
    release.is_broken = False
    retries.execute(connection, retries.select(connection, Selection()))
    done = [each for each in run_all(executor, connection) if isinstance(each, Succeeded)]
    assert [each.command.command_id for each in done] == [command_id, behind]


def test_a_retried_command_is_claimed_in_a_session_that_knows_a_floor_of_its_key(
    connection: Connection, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "MOST", 1)
    monkeypatch.setattr(floors, "LONG", 0)
    monkeypatch.setattr(floors, "LOOK_S", 0.0)
    command_id = submit(connection, payload=BROKEN)
    executor, _ = new_executor(attempts=1)
    try_until_set_aside(executor, connection)
    for _ in range(3):
        submit(connection)
    run_all(executor, connection)
    assert executor._floors._marks["key"].floor > number(connection, command_id)
    release.is_broken = False
    retries.execute(connection, retries.select(connection, Selection()))
    run_all(executor, connection)
    assert look(connection, command_id).status == "succeeded"


def test_a_worker_that_was_frozen_counts_nothing_against_a_command_that_was_retried(
    connection: Connection, release: Release
) -> None:
    submit(connection, payload=BROKEN)
    executor, _ = new_executor(attempts=2)
    assert isinstance(executor.run_once(connection), Failed)
    make_due(connection)
    aside = try_until_set_aside(executor, connection)
    retries.execute(connection, retries.select(connection, Selection()))
    entry = entry_of("set_aside", 1, "frozen", aside.error)
    assert not inbox.insert_history(connection, aside.command, entry)
    outcome = executor._set_aside(connection, aside.command, aside.error)
    assert not isinstance(outcome, SetAside)
    assert look(connection, aside.command.command_id).status == "queued"


def test_nothing_else_is_retried(connection: Connection) -> None:
    good, refused = submit(connection), submit(connection, payload={})
    run_all(new_executor()[0], connection)
    queued = submit(connection)
    for command_id, word in ((good, "succeeded"), (refused, "rejected"), (queued, "queued")):
        with pytest.raises(WorkFailedError, match=f"is {word}"):
            retries.plan(connection, Selection(ids=(command_id,)))
        assert not retry.retry_command(connection, command_id)
    with pytest.raises(WorkFailedError, match="There is no command"):
        retries.plan(connection, Selection(ids=(uuid.uuid4(),)))


def test_a_command_that_a_worker_has_in_hand_is_left_to_it(
    connection: Connection, database: str, release: Release
) -> None:
    submit(connection, payload=BROKEN)
    executor, _ = new_executor()
    executor.run_once(connection)
    found = retries.select(connection, Selection())
    with (
        connections.connect(database, application="worker") as worker,
        worker.transaction(),
    ):
        worker.execute("SELECT FROM outbox.command FOR UPDATE")
        assert retries.execute(connection, found) == []
    assert retries.execute(connection, found) == found


def test_a_history_is_purged_with_its_command(connection: Connection, release: Release) -> None:
    submit(connection, payload=BROKEN)
    kept = submit(connection, payload=BROKEN, key="other")
    executor, _ = new_executor(attempts=1)
    run_all(executor, connection)
    connection.execute(
        "UPDATE outbox.command SET finished_at = now() - interval '9 d' WHERE key = 'key'"
    )
    now = datetime.now(UTC)
    gone, _ = finished.delete_commands(
        connection, now - timedelta(days=99), now - timedelta(days=1), 10
    )
    assert gone == 1
    left = connection.execute("SELECT command_id FROM outbox.command_history").fetchall()
    assert left == [(kept,)]


def test_a_missing_right_is_logged_once_with_the_grant_that_mends_it(
    connection: Connection,
) -> None:
    connection.execute("REVOKE INSERT ON school.class FROM outbox_domain, outbox_commands")
    first, second = submit(connection), submit(connection, key="other")
    executor, _ = new_executor()
    with (
        login(connection, "outbox_commands") as url,
        connections.connect(url, application="w") as link,
    ):
        with capture_logs() as logs:
            outcomes = run_all(executor, link)
            make_due(connection)
            outcomes += run_all(executor, link)
        assert {type(each) for each in outcomes} <= {Postponed, GroupUndone}
        (line,) = [each for each in logs if each["log_level"] in {"info", "error"}]
        assert (line["event"], line["error"]) == (
            "right_missing",
            "permission denied for table class",
        )
        grant = "GRANT INSERT ON TABLE school.class TO outbox_commands;"
        assert line["hint"] == f"As the owner: {grant}"
        assert {look(connection, each).failures for each in (first, second)} == {0}
        for command_id in (first, second):
            (entry,) = retry.list_history(connection, command_id)
            assert (entry.what, entry.error) == ("refused", line["error"])
        connection.execute(grant.encode())
        make_due(connection)
        with capture_logs() as logs:
            run_all(executor, link)
        assert [each["event"] for each in logs if each["log_level"] == "info"] == ["right_back"]
    assert {look(connection, each).status for each in (first, second)} == {"succeeded"}


@pytest.mark.parametrize("role", ["outbox_writer", "outbox_reader"])
def test_the_cause_is_for_operators_and_workers(connection: Connection, role: str) -> None:
    with login(connection, role) as url, connections.connect(url, application="tests") as link:
        for order in (
            "SELECT FROM outbox.command_history",
            "SELECT outbox.retry_command(gen_random_uuid())",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute(order.encode())


def test_a_rejection_that_cannot_be_written_stops_nothing(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(**_: object) -> None:
        raise ZeroDivisionError(SECRET)

    command_id, other = submit(connection, "MakeCoffee", {}), submit(connection, key="other")
    executor, _ = new_executor(attempts=1)
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(rejection, "CommandRejected", unwritable)
        outcomes = run_all(executor, connection)
    assert [type(each) for each in outcomes] == [Postponed, Succeeded]
    assert "command_not_settled" in {line["event"] for line in logs}
    assert look(connection, other).status == "succeeded"
    make_due(connection)
    run_all(executor, connection)
    assert look(connection, command_id).status == "rejected"
