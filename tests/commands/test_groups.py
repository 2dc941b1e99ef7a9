# long: one application and one grown executor serve all tests of groups
"""Commands of several keys in one transaction: what one of them does undoes no other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.pq import TransactionStatus
from pydantic import BaseModel

from outbox_worker.application import (
    Application,
    Command,
    CommandType,
    Context,
    Event,
    RefusedError,
)
from outbox_worker.commands import group as limits
from outbox_worker.commands import pace
from outbox_worker.commands.executor import Executor, ExecutorParts
from outbox_worker.commands.floors import Floors
from outbox_worker.commands.group import (
    BEGIN_S,
    LOCK_MS,
    STATEMENT_MS,
    TRANSACTION_MS,
    UnguardedError,
)
from outbox_worker.commands.loop import CommandLoop
from outbox_worker.commands.outcome import (
    Failed,
    GroupDone,
    GroupUndone,
    Idle,
    Postponed,
    Rejected,
    Succeeded,
)
from outbox_worker.commands.pace import (
    AFTER_UNDONE,
    GUARDED,
    MOST,
    SLOW_S,
    TARGET_S,
    GroupSize,
    Pace,
)
from outbox_worker.commands.sessions import OPTIONS, Sessions
from outbox_worker.observe.commands import CommandMetrics
from outbox_worker.observe.health import Health
from outbox_worker.observe.statements import StatementMetrics
from outbox_worker.postgres import database as connections
from outbox_worker.stores import command as inbox
from tests.commands.inbox import events, fill, look, run_all, submit
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from outbox_worker.commands.outcome import Outcome
    from outbox_worker.stores import Connection

REAL: Final = (BEGIN_S * 1000, LOCK_MS, STATEMENT_MS, TRANSACTION_MS)
PREPARE = """
    CREATE TABLE public.note (word text PRIMARY KEY);
    CREATE TABLE public.shelf (one int PRIMARY KEY);
    INSERT INTO public.shelf VALUES (1)"""
NOTES = "SELECT word FROM public.note ORDER BY word"
INSERT = "INSERT INTO public.note VALUES (%s)"
LOCK_SHELF = "SELECT FROM public.shelf FOR UPDATE"
TRANSACTIONS = "SELECT count(DISTINCT xid) FROM outbox.event"
LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout",
          "transaction_timeout")  # fmt: skip
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"


class Note(Command, frozen=True):
    """Write a word down, and then do what it says."""

    word: str
    then: str = ""


class LoneNote(Note, frozen=True):
    """The same, and no other command in its transaction."""


class Noted(Event, frozen=True):
    """A word is written down."""

    TYPE = "noted.v1"
    KEY = "word"

    word: str
    limits: list[str]


class NoteResult(BaseModel, frozen=True):
    """What was written."""

    word: str


in_hand, go_on = threading.Event(), threading.Event()
used: Final[list[int]] = []
"""The sessions of the handler's calls, by the process of the server."""


def note(context: Context, command: Note) -> NoteResult:
    used.append(context.connection.info.backend_pid)
    context.connection.execute(INSERT, (command.word,))
    found = [_setting(context, name) for name in LIMITS]
    context.emit(
        Noted(
            word=command.word,
            limits=found,
            correlation_id=context.correlation_id,
            occurred_at=context.now,
        )
    )
    match command.then:
        case "refuse":
            raise RefusedError("NOT_THIS", "This word is refused")
        case "fail":
            raise ZeroDivisionError
        case "lock":
            context.connection.execute(LOCK_SHELF)
        case "take long":
            context.connection.execute("SELECT pg_sleep(0.3)")
        case "think":
            in_hand.set()
            assert go_on.wait(patient(60))
        case _:
            pass
    return NoteResult(word=command.word)


def _setting(context: Context, name: str) -> str:
    row = context.connection.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
    return str(row and row[0])


NOTES_APP: Final = Application(
    "notes",
    commands=(CommandType(Note, note, shares_transaction=True), CommandType(LoneNote, note)),
    events=(Noted,),
)


@pytest.fixture(autouse=True)
def _growing_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, groups grow, and end only where a test says so."""
    for module, name, value in (
        (pace, "TARGET_S", patient(3_600)),
        (pace, "SLOW_S", patient(3_600)),
        (limits, "BEGIN_S", patient(3_600)),
    ):
        monkeypatch.setattr(module, name, value)
    in_hand.clear()
    go_on.clear()


@pytest.fixture
def link(connection: Connection, database: str) -> Iterator[Connection]:
    """A session as executors have, beside the notes of the application."""
    connection.execute(PREPARE, prepare=False)
    with connections.connect(database, application="tests", options=OPTIONS) as session:
        yield session


@pytest.fixture
def executor(connection: Connection, link: Connection) -> Executor:
    """One that asks for several commands, and knows that notes are quick."""
    return grown(connection, link)


def new_executor() -> Executor:
    """One that has executed nothing yet."""
    metrics = CommandMetrics(CollectorRegistry())
    return Executor(ExecutorParts(NOTES_APP, "", 5, metrics, lambda _result: None))


def grown(connection: Connection, link: Connection) -> Executor:
    executor = new_executor()
    for kind in ("LoneNote", "Note"):
        submit(connection, kind, {"word": kind}, key=" ")
        assert isinstance(executor.run_once(link), Succeeded)
    for number in range(7):
        submit(connection, "Note", {"word": f" {number}"}, key=f" {number}")
    # One, then two, then four.
    steps = [executor.run_once(link) for _ in range(3)]
    assert [type(each) for each in steps] == [Succeeded, GroupDone, GroupDone]
    connection.execute("DELETE FROM public.note")
    # Nothing but what a test writes is compared with what it expects.
    connection.execute("DELETE FROM outbox.event")
    return executor


def run_group(executor: Executor, link: Connection) -> Outcome:
    """What comes of a group, at the second try where at the first one it had no savepoints."""
    outcome = executor.run_once(link)
    if isinstance(outcome, GroupUndone) and isinstance(outcome.error, UnguardedError):
        return executor.run_once(link)
    return outcome


def submit_notes(connection: Connection, *then: str, kind: str = "Note") -> list[UUID]:
    """One for each key: a, b, c and so on."""
    with connection.transaction():
        return [
            submit(connection, kind, {"word": key, "then": each}, key=key)
            for key, each in zip("abcdefgh", then, strict=False)
        ]


def notes(connection: Connection) -> str:
    return "".join(word for (word,) in connection.execute(NOTES).fetchall())


def told(connection: Connection) -> str:
    """The words of the events in their order, of a refusal `!`."""
    return "".join(payload.get("word", "!") for _, payload in events(connection))


def transactions(connection: Connection) -> int:
    row = connection.execute(TRANSACTIONS).fetchone()
    assert row is not None
    return int(row[0])


def statuses(connection: Connection, ids: list[UUID]) -> list[str]:
    return [look(connection, each).status for each in ids]


def test_commands_of_several_keys_are_committed_together_in_the_order_of_their_keys(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    ids = submit_notes(connection, "", "", "")
    behind = submit(connection, "Note", {"word": "z"}, key="b")
    outcome = executor.run_once(link)
    assert isinstance(outcome, GroupDone)
    assert [each.command.command_id for each in outcome.outcomes] == ids
    assert statuses(connection, [*ids, behind]) == ["succeeded"] * 3 + ["queued"]
    assert look(connection, ids[1]).result == {"word": "b"}
    assert (notes(connection), told(connection)) == ("abc", "abc")
    assert transactions(connection) == 1
    assert link.info.transaction_status is TransactionStatus.IDLE


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_refusal_undoes_its_own_command_alone(
    connection: Connection, link: Connection, executor: Executor, refused: int
) -> None:
    then = ["", "", ""]
    then[refused] = "refuse"
    ids = submit_notes(connection, *then)
    assert isinstance(executor.run_once(link), GroupUndone)
    assert (notes(connection), told(connection)) == ("", "")
    # Now that one was refused they have savepoints.
    outcome = executor.run_once(link)
    assert isinstance(outcome, GroupDone)
    wanted = [Rejected if each else Succeeded for each in then]
    assert [type(each) for each in outcome.outcomes] == wanted
    assert notes(connection) == "abc".replace("abc"[refused], "")
    assert told(connection) == "abc".replace("abc"[refused], "!")
    assert transactions(connection) == 1
    row = look(connection, ids[refused])
    assert (row.status, row.result, row.failures) == ("rejected", None, 0)
    assert row.error == {"code": "NOT_THIS", "message": "This word is refused", "details": {}}


def test_what_cannot_be_a_command_is_rejected_within_a_group(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    (first,) = submit_notes(connection, "")
    unknown = submit(connection, "MakeCoffee", {}, key="b")
    wrong = submit(connection, "Note", {}, key="c")
    assert isinstance(executor.run_once(link), GroupDone)
    assert statuses(connection, [first, unknown, wrong]) == ["succeeded", "rejected", "rejected"]
    assert (told(connection), transactions(connection)) == ("a!!", 1)


def test_a_bug_undoes_the_group_and_each_is_executed_alone_once(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    ids = submit_notes(connection, "", "fail", "")
    outcome = executor.run_once(link)
    assert isinstance(outcome, GroupUndone)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert (notes(connection), told(connection)) == ("", "")
    assert statuses(connection, ids) == ["queued"] * 3
    assert [look(connection, each).failures for each in ids] == [0, 0, 0]
    assert [type(executor.run_once(link)) for _ in ids] == [Succeeded, Failed, Succeeded]
    assert (notes(connection), told(connection)) == ("ac", "ac")
    assert [look(connection, each).failures for each in ids] == [0, 1, 0]


def test_a_command_that_waits_for_a_lock_is_left_out_and_tried_alone(
    connection: Connection,
    database: str,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LOCK_MS", 10)
    ids = submit_notes(connection, "", "lock", "")
    with connections.connect(database, application="other") as other, other.transaction():
        other.execute(LOCK_SHELF)
        outcome = run_group(executor, link)
        assert isinstance(outcome, GroupDone)
        assert [each.command.key for each in outcome.outcomes] == ["a", "c"]
        assert (notes(connection), told(connection)) == ("ac", "ac")
        assert statuses(connection, ids) == ["succeeded", "queued", "succeeded"]
        alone = executor.run_once(link)
        assert isinstance(alone, Postponed)
        assert alone.command.command_id == ids[1]
    assert look(connection, ids[1]).failures == 0


def test_a_slow_statement_is_cut_short_in_a_group_and_has_all_its_time_alone(
    connection: Connection,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STATEMENT_MS", 100)
    submit_notes(connection, "", "take long", "")
    outcome = run_group(executor, link)
    assert isinstance(outcome, GroupDone | GroupUndone)
    assert "b" not in notes(connection)
    if isinstance(outcome, GroupDone):
        assert [each.command.key for each in outcome.outcomes] == ["a", "c"]
    run_all(executor, link)
    assert notes(connection) == "abc"
    assert sorted(told(connection)) == ["a", "b", "c"]


def test_a_group_has_its_limits_and_a_lone_command_those_of_the_session(
    connection: Connection,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("LOCK_MS", 7_001), ("STATEMENT_MS", 7_002), ("TRANSACTION_MS", 70_003)):
        monkeypatch.setattr(limits, name, value)
    submit_notes(connection, "", "")
    assert isinstance(executor.run_once(link), GroupDone)
    assert [payload["limits"] for _, payload in events(connection)] == [
        ["7001ms", "7002ms", "70003ms", "70003ms"]
    ] * 2
    submit_notes(connection, "")
    connection.execute("DELETE FROM public.note")
    connection.execute("DELETE FROM outbox.event")
    assert isinstance(executor.run_once(link), Succeeded)
    ((_, payload),) = events(connection)
    assert payload["limits"] == ["200ms", "30s", "1min", "0"]


def test_the_limits_add_up_to_what_is_promised() -> None:
    begin_ms, lock_ms, statement_ms, transaction_ms = REAL
    assert begin_ms > TARGET_S * 1000
    assert lock_ms < statement_ms <= SLOW_S * 1000
    assert begin_ms + statement_ms < transaction_ms <= 50


def test_a_handler_that_is_busy_elsewhere_holds_its_neighbours_up_no_longer_than_a_group_may_last(
    connection: Connection,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TRANSACTION_MS", 300)
    submit_notes(connection, "", "think", "")
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(executor.run_once, link)
        assert in_hand.wait(patient(60))
        other = new_executor()
        # The handler still thinks, and what the group had locked is free.
        wait_until(lambda: isinstance(other.run_once(connection), Succeeded), 10, "a is free")
        go_on.set()
        outcome = running.result(patient(60))
    assert isinstance(outcome, GroupUndone)
    assert isinstance(outcome.error, psycopg.Error)
    run_all(other, connection)
    assert (notes(connection), sorted(told(connection))) == ("abc", ["a", "b", "c"])


def test_what_is_not_begun_in_time_is_next_and_before_all_others(
    connection: Connection,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "BEGIN_S", 0)
    submit_notes(connection, "", "", "")
    for key in ("bb", "d"):
        submit(connection, "Note", {"word": key}, key=key)
    submit(connection, "Note", {"word": "A"}, key="a")
    turns = [keys(outcome) for outcome in run_all(executor, link)]
    assert turns == ["a", "b", "bb", "c", "d", "a"]
    assert told(connection) == "abbbcdA"


def keys(outcome: Outcome) -> str:
    assert isinstance(outcome, GroupDone | Succeeded)
    done = outcome.outcomes if isinstance(outcome, GroupDone) else [outcome]
    return "".join(each.command.key for each in done)


def test_a_type_that_does_not_share_a_transaction_has_its_own(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    submit_notes(connection, "", "", "", kind="LoneNote")
    submit(connection, "Note", {"word": "d"}, key="d")
    outcomes = run_all(executor, link)
    assert [type(each) for each in outcomes] == [GroupDone, Succeeded, Succeeded, Succeeded]
    assert [keys(each) for each in outcomes] == ["d", "a", "b", "c"]
    assert (told(connection), transactions(connection)) == ("dabc", 4)


def test_a_type_that_took_long_lately_has_its_own_transactions(
    connection: Connection,
    link: Connection,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "SLOW_S", 0)
    submit_notes(connection, "", "")
    assert [type(each) for each in run_all(executor, link)] == [GroupDone, Succeeded, Succeeded]
    assert (told(connection), transactions(connection)) == ("ab", 2)


def test_a_worker_that_dies_in_the_middle_of_a_group_has_done_none_of_it(
    connection: Connection, database: str, link: Connection, executor: Executor
) -> None:
    ids = submit_notes(connection, "", "", "lock", "")
    with (
        connections.connect(database, application="other") as other,
        ThreadPoolExecutor(1) as thread,
        other.transaction(),
    ):
        other.execute(LOCK_SHELF)
        running = thread.submit(executor.run_once, link)
        pid = link.info.backend_pid
        wait_until(lambda: connection.execute(WAITING, (pid,)).fetchone() == (1,), 10, "it waits")
        # Nobody else takes what is in hand, begun or not.
        assert isinstance(new_executor().run_once(connection), Idle)
        connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        assert isinstance(running.result(patient(60)), GroupUndone)
    assert link.closed
    assert (notes(connection), told(connection)) == ("", "")
    assert statuses(connection, ids) == ["queued"] * 4
    run_all(new_executor(), connection)
    assert (notes(connection), sorted(told(connection))) == ("abcd", ["a", "b", "c", "d"])
    assert statuses(connection, ids) == ["succeeded"] * 4


def test_the_loop_replaces_the_session_of_a_group_that_was_undone(
    connection: Connection, database: str, executor: Executor
) -> None:
    sessions, health = Sessions(database, 1, psycopg.Cursor[Any]), Health()
    loop = CommandLoop("commands-1", executor, sessions, health)
    ids = submit_notes(connection, "", "fail", "")
    used.clear()
    try:
        steps = [loop.step() for _ in range(4)]
    finally:
        loop.close()
        sessions.close()
    assert statuses(connection, ids) == ["succeeded", "queued", "succeeded"]
    # The group and its first two commands; a and b alone; c, after the bug.
    group, again, a, b, c = used
    assert (group, a) == (again, b)
    assert len({group, a, c}) == 3
    assert steps == [0] * 4
    assert health.unready() == {}


def test_a_lone_command_takes_no_statement_more_than_its_own(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    registry = CollectorRegistry()
    link.cursor_factory = StatementMetrics(registry).cursor_factory()
    submit_notes(connection, "")
    assert isinstance(executor.run_once(link), Succeeded)
    assert counts(registry) == {
        "command/claim_commands": 1,
        "event/insert_event": 1,
        "command/finish_command": 1,
    }


def test_a_group_claims_and_writes_with_one_statement_each(
    connection: Connection, link: Connection, executor: Executor
) -> None:
    registry = CollectorRegistry()
    link.cursor_factory = StatementMetrics(registry).cursor_factory()
    submit_notes(connection, "", "", "")
    assert isinstance(executor.run_once(link), GroupDone)
    assert counts(registry) == {
        "command/claim_commands": 1,
        "command/limit_group": 1,
        "event/insert_events": 1,
        "command/finish_commands": 1,
    }


def counts(registry: CollectorRegistry) -> dict[str, float]:
    return {
        sample.labels["statement"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "outbox_db_statement_seconds_count"
    }


def test_a_claim_of_several_brings_the_head_of_each_key_once(connection: Connection) -> None:
    for key in "abc":
        for number in range(2):
            submit(connection, "Note", {"word": f"{key}{number}"}, key=key)
    way = Floors().way("a")
    for most, wanted in ((2, "bc"), (3, "bca"), (9, "bca")):
        with connection.transaction(force_rollback=True):
            found = inbox.claim_commands(connection, way, most)
            assert "".join(each.key for each in found) == wanted
            assert all(each.seq == each.last_seq - 1 for each in found)


def test_each_command_of_a_claim_knows_how_long_the_walk_to_it_was(connection: Connection) -> None:
    fill(connection, "CASE WHEN n <= 300 THEN 'b' ELSE 'c' END", 302)
    connection.execute(
        "UPDATE outbox.command SET status = 'rejected', error = '{}', finished_at = now() "
        "WHERE key = 'b' AND seq < (SELECT max(seq) FROM outbox.command WHERE key = 'b')"
    )
    submit(connection, "Note", {"word": "a"}, key="a")
    with connection.transaction(force_rollback=True):
        found = inbox.claim_commands(connection, Floors().way(""), 9)
    assert [each.key for each in found] == ["a", "b", "c"]
    assert [each.walked > 200 for each in found] == [False, True, False]


def test_groups_grow_while_there_is_more_and_shrink_with_the_time_that_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "TARGET_S", TARGET_S)
    size, asked = GroupSize(), []
    for _ in range(7):
        asked.append(size.most)
        size.executed(size.most, size.most, size.most, TARGET_S / 2)
    assert asked == [1, 2, 4, 8, 16, 32, MOST]
    for found, executed, seconds, most in (
        (32, 32, TARGET_S * 4, 8),
        (8, 8, TARGET_S * 0.8, 10),
        (10, 7, TARGET_S / 4, 7),
        (3, 3, TARGET_S / 4, 1),
        (1, 1, TARGET_S / 4, 2),
        (2, 2, TARGET_S / 4, 4),
        (4, 0, TARGET_S / 4, 1),
        (1, 1, TARGET_S * 100, 1),
        (1, 1, TARGET_S * 0.6, 1),
        (1, 1, TARGET_S / 4, 2),
    ):
        size.executed(size.most, found, executed, seconds)
        assert size.most == most, (found, executed, seconds)
    size.executed(0, 1, 1, TARGET_S / 4)
    assert size.most == 2
    size.rested()
    assert size.most == 1


def test_after_a_group_that_was_undone_there_is_none_for_a_while() -> None:
    size, alone = GroupSize(), 0
    size.executed(1, 1, 1, TARGET_S / 4)
    size.undone()
    while size.most == 1:
        size.executed(1, 1, 1, TARGET_S / 4)
        alone += 1
    assert alone == AFTER_UNDONE + 1


def test_a_type_is_quick_once_it_was_and_slow_for_a_while_after_it_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "SLOW_S", SLOW_S)
    known = Pace()
    assert not known.is_quick("T")
    known.took("T", SLOW_S / 10)
    assert known.is_quick("T")
    assert not known.is_quick("other")
    known.took("T", SLOW_S * 2)
    tries = 0
    while not known.is_quick("T"):
        known.took("T", SLOW_S / 10)
        tries += 1
    assert tries == 4


def test_a_type_has_savepoints_for_a_while_after_one_of_it_was_undone() -> None:
    known = Pace()
    assert not known.needs_savepoint("T")
    known.undone("T")
    assert [known.needs_savepoint("T") for _ in range(GUARDED)] == [True] * GUARDED
    assert not known.needs_savepoint("T")
    assert not known.needs_savepoint("other")
