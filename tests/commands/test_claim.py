"""The claim: in order within a key, fair between keys, never waiting, whatever else is queued."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from outbox_worker.commands.floors import Floors
from outbox_worker.commands.sessions import OPTIONS
from outbox_worker.postgres import database as connections
from outbox_worker.stores import command as inbox
from outbox_worker.stores.command import Stretch
from tests.commands.inbox import PAGES, costs, fill, submit
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from outbox_worker.stores import Connection
    from outbox_worker.stores.command import Claimed

QUEUED = 100_000
ONE_KEY = "'hot'"
MANY_KEYS = "'key ' || n"


@pytest.fixture
def sessions(database: str) -> Iterator[list[Connection]]:
    """Four sessions, each with a transaction that is rolled back at the end."""
    with ExitStack() as stack:
        found = [
            stack.enter_context(connections.connect(database, application="tests"))
            for _ in range(4)
        ]
        for each in found:
            stack.enter_context(each.transaction(force_rollback=True))
        yield found


def claim(link: Connection, after: str = "") -> UUID | None:
    found = head(link, after)
    return found and found.command_id


def head(link: Connection, after: str = "") -> Claimed | None:
    return next(iter(inbox.claim_commands(link, Floors().way(after), 1)), None)


def finish(link: Connection, claimed: Claimed) -> None:
    inbox.finish_command(link, claimed.command_id, "succeeded", "{}")


def test_a_claim_brings_what_the_executor_needs(connection: Connection) -> None:
    command_id = submit(connection, "CreateClass", '{"b": 1, "a": "ü"}', key="ö")
    found = head(connection)
    assert found is not None
    assert found[:7] == (command_id, "CreateClass", "ö", "teacher", '{"a": "ü", "b": 1}', None, 0)
    assert found.submitted_at.tzinfo is not None


def test_of_a_key_the_first_inserted_is_claimed_and_no_other_before_it_is_finished(
    connection: Connection, sessions: list[Connection]
) -> None:
    first = submit(connection)
    submit(connection)
    assert claim(sessions[0]) == first
    assert claim(sessions[1]) is None


def test_a_claim_keeps_no_lock_of_a_key_that_it_passed_over(
    connection: Connection, sessions: list[Connection]
) -> None:
    refused = submit(connection, key="hot")
    behind = submit(connection, key="hot")
    other = submit(connection, key="other")
    # As an executor that writes down a refusal: the command's row is held, its key is not.
    with connection.transaction():
        inbox.finish_command(connection, refused, "rejected", "{}")
        assert claim(sessions[0]) == other
    assert claim(sessions[1]) == behind


def test_what_a_dead_worker_had_in_hand_is_the_first_again(
    connection: Connection, sessions: list[Connection]
) -> None:
    first = submit(connection)
    submit(connection)
    assert claim(sessions[0]) == first
    connection.execute("SELECT pg_terminate_backend(%s)", (sessions[0].info.backend_pid,))
    assert wait_until(lambda: claim(sessions[1]), 10, "its lock is gone") == first


def test_commands_of_a_key_run_in_the_order_of_insertion(connection: Connection) -> None:
    submitted = [submit(connection) for _ in range(20)]
    claimed = []
    while (found := head(connection)) is not None:
        finish(connection, found)
        claimed.append(found.command_id)
    assert claimed == submitted


def test_what_others_have_locked_is_skipped(
    connection: Connection, sessions: list[Connection]
) -> None:
    submitted = [submit(connection, key=f"key {n}") for n in range(4)]
    assert [claim(each) for each in sessions] == submitted
    assert claim(connection) is None


def test_keys_take_turns_however_much_one_of_them_has_queued(connection: Connection) -> None:
    for _ in range(50):
        submit(connection, key="hot")
    for name in "abcxyz":
        submit(connection, key=name)
    turns, after = [], ""
    for _ in range(14):
        found = head(connection, after)
        assert found is not None
        finish(connection, found)
        after = found.key
        turns.append(found.key)
    assert turns == ["a", "b", "c", "hot", "x", "y", "z", *["hot"] * 7]


def test_a_claim_goes_once_around(connection: Connection) -> None:
    submitted = submit(connection, key="m")
    assert [claim(connection, after) for after in ("", "a", "m", "z")] == [submitted] * 4


def test_a_command_that_waits_for_its_retry_is_passed_over_and_its_key_waits(
    connection: Connection,
) -> None:
    first, _, other = submit(connection), submit(connection), submit(connection, key="other")
    assert inbox.postpone_command(connection, first, 3600, 1)
    assert claim(connection) == claim(connection, "key") == other
    assert inbox.postpone_command(connection, first, 0, 1)
    found = head(connection)
    assert found is not None
    assert (found.command_id, found.failures) == (first, 2)


def test_what_another_runs_is_not_postponed(
    connection: Connection, sessions: list[Connection]
) -> None:
    command_id = submit(connection)
    assert claim(sessions[0]) == command_id
    assert not inbox.postpone_command(connection, command_id, 3600, 1)


def test_two_of_a_key_never_run_at_once_also_when_the_earlier_one_is_committed_later(
    connection: Connection, database: str, sessions: list[Connection]
) -> None:
    with connections.connect(database, application="slow") as slow, slow.transaction():
        earlier = submit(slow)
        later = submit(connection)
        assert claim(sessions[0]) == later
    # Now `earlier` is the head of the key, while `later` still runs.
    assert claim(sessions[1]) is None
    # It looked at `earlier`, which it keeps locked for as long as its transaction lasts.
    for each in sessions[:2]:
        each.close()
    assert wait_until(lambda: claim(sessions[2]), 10, "it runs no more") == earlier


def test_a_floor_holds_for_its_key_and_on_its_server_only(connection: Connection) -> None:
    first, second = submit(connection, key="a"), submit(connection, key="a")
    other = submit(connection, key="b")
    found = head(connection)
    assert found is not None
    way = [Stretch("", "a", found.seq), Stretch("a", None, 0)]
    for server, expected in ((found.server, second), (None, first), (now(connection), first)):
        with connection.transaction(force_rollback=True):
            (claimed,) = inbox.claim_commands(connection, way, 1, server)
            assert claimed.command_id == expected
    way = [Stretch("", "a", found.last_seq), Stretch("a", None, 0)]
    (claimed,) = inbox.claim_commands(connection, way, 1, found.server)
    assert claimed.command_id == other


def now(link: Connection) -> datetime:
    row = link.execute("SELECT now()").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


@pytest.mark.parametrize("key", [ONE_KEY, MANY_KEYS], ids=["one key", "as many keys"])
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["any session", "the executor's session"])
def test_a_claim_costs_the_same_whatever_is_queued(
    connection: Connection, database: str, key: str, options: Mapping[str, str]
) -> None:
    fill(connection, key, QUEUED)
    with connections.connect(database, application="tests", options=options) as link:
        for analysed in (False, True):
            if analysed:
                connection.execute("ANALYZE outbox.command")
            for after in ("", "key 5", "zzz"):
                pages, plan = costs(link, Floors(), after)
                assert pages < PAGES, plan
                assert "command_queued_idx" in plan
                assert not any(node in plan for node in ("Seq Scan", '"Sort"', "Hash", "Bitmap"))
