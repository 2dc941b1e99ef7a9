"""The threads of a process go around the keys together, and know where each key goes on."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from outbox_worker.commands import rounds as product
from outbox_worker.commands.outcome import Idle, Rejected, Succeeded
from outbox_worker.commands.rounds import Rounds, Start
from outbox_worker.stores import command as inbox
from outbox_worker.stores.command import Claimed
from tests.commands.inbox import new_executor, submit

if TYPE_CHECKING:
    import pytest

    from outbox_worker.stores import Connection


def claimed(key: str, seq: int, last_seq: int) -> Claimed:
    now = datetime.now(UTC)
    return Claimed(uuid.uuid4(), "T", key, "actor", "{}", None, 0, now, seq, last_seq)


def test_a_walk_opens_a_window_that_moves_with_what_is_finished() -> None:
    rounds = Rounds()
    assert rounds.start() == Start("", 0, 0)
    first = claimed("a", 5, 9)
    rounds.claimed(rounds.start(), first)
    # While it runs it is the head for all threads.
    assert rounds.start() == Start("a", 4, 9)
    rounds.finished(first)
    assert rounds.start() == Start("a", 5, 9)
    # What is inserted later does not make the window larger.
    second = claimed("a", 7, 12)
    rounds.claimed(rounds.start(), second)
    rounds.finished(second)
    assert rounds.start() == Start("a", 7, 9)
    # An end that is told late moves nothing back.
    rounds.finished(first)
    assert rounds.start() == Start("a", 7, 9)


def test_what_stands_outside_the_window_was_found_by_a_walk_and_opens_another() -> None:
    rounds = Rounds()
    first = claimed("a", 5, 9)
    rounds.claimed(rounds.start(), first)
    rounds.finished(first)
    late = claimed("a", 3, 9)
    rounds.claimed(rounds.start(), late)
    assert rounds.start() == Start("a", 2, 9)


def test_a_window_is_closed_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = Rounds()
    monkeypatch.setattr(product, "OPEN_S", 0.0)
    rounds.claimed(rounds.start(), claimed("a", 5, 9))
    assert rounds.start() == Start("a", 0, 0)


def test_of_many_keys_the_windows_of_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "REMEMBERED", 2)
    rounds = Rounds()
    for key in "abc":
        rounds.claimed(rounds.start(), claimed(key, 1, 1))
    assert len(rounds._windows) == 2


def test_commands_of_a_key_run_in_order_while_others_come(connection: Connection) -> None:
    executor, _ = new_executor()
    submitted = [submit(connection, "DeleteClass", {"class_id": str(uuid.uuid4())}, key="a")]
    submit(connection, key="b")
    done = []
    while not isinstance(outcome := executor.run_once(connection), Idle):
        assert isinstance(outcome, Succeeded | Rejected)
        if outcome.command.key == "a":
            done.append(outcome.command.command_id)
            if len(submitted) < 7:
                submitted += [submit(connection, "DeleteClass", key="a") for _ in range(2)]
    assert done == submitted
    assert inbox.list_queued(connection) == []
