"""Keys with many finished commands: a claim passes them by, and passes over no queued one."""

from __future__ import annotations

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from outbox_worker.commands import floors as product
from outbox_worker.commands import pace
from outbox_worker.commands.executor import Executor
from outbox_worker.commands.floors import GOOD_S, LONG, MARKS, Floors
from outbox_worker.commands.outcome import Idle, Rejected, Succeeded
from outbox_worker.postgres import database as connections
from outbox_worker.stores import command as inbox
from outbox_worker.stores.command import Claimed, Head, Stretch, Writers
from tests.commands.inbox import PAGES, costs, fill, new_executor, new_parts, submit
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_worker.commands.outcome import Outcome
    from outbox_worker.stores import Connection

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
RESTARTED = STARTED + timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim is of one command, so that the tests know what it passed by."""
    monkeypatch.setattr(pace, "MOST", 1)


def claimed(
    key: str, seq: int, last_seq: int, walked: int = LONG, server: datetime = STARTED
) -> Claimed:
    return Claimed(
        uuid.uuid4(), "T", key, "actor", "{}", None, 0, STARTED, seq, last_seq, walked, server
    )


def writers(*names: str, server: datetime = STARTED) -> Writers:
    return Writers(list(names), server)


def floor_of(floors: Floors, key: str) -> int:
    return next(each.floor for each in floors.way("") if each.high == key)


def test_the_way_goes_once_around_and_ends_with_the_key_behind_which_it_begins() -> None:
    floors = Floors()
    assert floors.way("") == [Stretch("", None, 0), Stretch("", "", 0)]
    for key in "caey":
        floors.claimed(claimed(key, 1, 9))
    assert [each[:2] for each in floors.way("d")] == [
        ("d", "e"), ("e", "y"), ("y", None), ("", "a"), ("a", "c"), ("c", "d")
    ]  # fmt: skip
    assert [each[:2] for each in floors.way("c")] == [
        ("c", "e"), ("e", "y"), ("y", None), ("", "a"), ("a", "c")
    ]  # fmt: skip


def test_a_short_walk_marks_no_key_and_asks_for_no_look() -> None:
    floors = Floors()
    floors.claimed(claimed("a", 5, 9, walked=LONG - 1))
    assert floors.way("") == Floors().way("")
    assert not floors.is_look_due()
    floors.claimed(claimed("a", 5, 9))
    assert floors.is_look_due()


def test_a_floor_rises_once_all_have_ended_who_inserted_when_its_number_was_seen() -> None:
    floors = Floors()
    floors.claimed(claimed("a", 5, 9))
    floors.looked(writers("1/1", "2/1"))
    floors.claimed(claimed("a", 6, 9))
    assert floor_of(floors, "a") == 0
    floors.looked(writers("2/1", "3/1"))
    floors.claimed(claimed("a", 6, 9))
    assert floor_of(floors, "a") == 0
    floors.looked(writers("2/2", "3/1"))
    floors.claimed(found := claimed("a", 6, 12))
    assert floor_of(floors, "a") == 5
    floors.finished(found)
    assert floor_of(floors, "a") == 6
    # What was inserted later is another matter.
    floors.finished(claimed("a", 11, 12))
    assert floor_of(floors, "a") == 9
    # An end that is reported late moves nothing back.
    floors.finished(claimed("a", 7, 12))
    assert floor_of(floors, "a") == 9


def test_what_nobody_was_inserting_when_it_was_seen_is_final_at_once() -> None:
    floors = Floors()
    floors.claimed(claimed("a", 5, 9))
    floors.looked(writers())
    floors.claimed(claimed("a", 5, 9))
    assert floor_of(floors, "a") == 4


@pytest.mark.parametrize("told", ["claim", "look", "head"])
def test_on_another_server_nothing_is_known(told: str) -> None:
    floors = Floors()
    floors.claimed(claimed("a", 5, 9))
    floors.looked(writers())
    floors.claimed(claimed("a", 5, 9))
    match told:
        case "claim":
            floors.claimed(claimed("b", 1, 1, walked=0, server=RESTARTED))
        case "look":
            floors.looked(writers("1/1", server=RESTARTED))
        case _:
            floors.read("a", Head(7, 0, RESTARTED))
    assert floors.server == RESTARTED
    assert floors.way("") == Floors().way("")
    floors.finished(claimed("a", 5, 9))
    floors.claimed(claimed("a", 5, 5, server=RESTARTED))
    assert floor_of(floors, "a") == 0


def test_a_floor_is_read_anew_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    floors = Floors()
    for key in "abc":
        floors.claimed(claimed(key, 5, 9))
    floors.looked(writers())
    assert floors.stale() == []
    later = time.monotonic() + GOOD_S
    monkeypatch.setattr("outbox_worker.timing.deadline.time.monotonic", lambda: later)
    assert floors.stale() == ["a", "b", "c"]
    floors.read("a", Head(3, LONG, STARTED))
    floors.read("b", Head(None, LONG, STARTED))
    # Vacuum took the entries away.
    floors.read("c", Head(3, LONG - 1, STARTED))
    assert floors.stale() == []
    assert [each for each in floors.way("") if each.floor] == [
        Stretch("", "a", 2), Stretch("a", "b", 9)
    ]  # fmt: skip
    assert "c" not in {each.high for each in floors.way("")}


def test_the_keys_that_were_claimed_last_stay_marked() -> None:
    floors = Floors()
    for number in range(MARKS):
        floors.claimed(claimed(f"{number:03}", 5, 9))
    floors.claimed(claimed("000", 6, 9))
    floors.claimed(claimed("new", 6, 9))
    highs = {each.high for each in floors.way("")} - {None, ""}
    assert len(highs) == MARKS
    assert "001" not in highs
    assert {"000", "new"} <= highs


KEYS = 50
FINISHED = 2_000
LEFT = 4
FINISH_FIRST = """
    UPDATE outbox.command SET status = 'succeeded', result = '{}', finished_at = now()
    WHERE seq <= %s"""
FINISH_KEYS = """
    UPDATE outbox.command SET status = 'succeeded', result = '{}', finished_at = now()
    WHERE status = 'queued' AND key > 'key 12' AND key < 'key 37'"""


@pytest.fixture
def marking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each claim marks its key, and looks before; no mark is read anew."""
    monkeypatch.setattr(product, "LONG", 0)
    monkeypatch.setattr(product, "LOOK_S", 0.0)
    monkeypatch.setattr(product, "GOOD_S", 3600.0)


def test_a_claim_passes_by_what_is_finished_of_many_keys_beside_an_old_snapshot(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "LOOK_S", 0.0)
    fill(connection, f"'key ' || 10 + n % {KEYS}", KEYS * (FINISHED + LEFT))
    with connections.connect(database, application="old") as old, old.transaction():
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM outbox.command")
        connection.execute(FINISH_FIRST, (KEYS * FINISHED,))
        executor, _ = new_executor()
        for _ in range(2 * KEYS):
            assert isinstance(executor.run_once(connection), Rejected)
        floors = executor._floors
        for after in ("", "key 10", "key 35", "key 59"):
            pages, plan = costs(connection, floors, after)
            assert pages < PAGES, plan
            assert costs(connection, Floors(), after)[0] > 10 * PAGES
        # Of half of the keys nothing is left: a look-up for what is between them, and one for each.
        connection.execute(FINISH_KEYS)
        pages, plan = costs(connection, floors, "key 12")
        assert pages < 10 * KEYS, plan
        assert costs(connection, Floors(), "key 12")[0] > 100 * KEYS


@pytest.mark.usefixtures("marking")
@pytest.mark.parametrize("ends", ["commit", "prepare"])
def test_a_floor_passes_over_no_command_that_is_committed_late(
    connection: Connection, database: str, ends: str
) -> None:
    executor, _ = new_executor()
    with connections.connect(database, application="slow") as slow:
        slow.execute("BEGIN")
        late = submit(slow)
        for _ in range(3):
            submit(connection)
        for _ in range(3):
            submit(connection, key="other")
        for number in range(6):
            assert isinstance(executor.run_once(connection), Succeeded | Rejected)
            if number == 3 and ends == "prepare":
                slow.execute("PREPARE TRANSACTION 'late'")
        assert isinstance(executor.run_once(connection), Idle)
        slow.execute("COMMIT" if ends == "commit" else "COMMIT PREPARED 'late'")
    behind = submit(connection)
    done = [executor.run_once(connection) for _ in range(2)]
    assert [found_in(each).command_id for each in done] == [late, behind]


def found_in(outcome: Outcome) -> Claimed:
    assert isinstance(outcome, Succeeded | Rejected)
    return outcome.command


STEADY = 40
LATE = 10
DONE = """
    SELECT (convert_from(payload, 'UTF8')::jsonb ->> 'command_id')::uuid FROM outbox.event
    ORDER BY id"""


@pytest.mark.usefixtures("marking")
def test_sessions_with_floors_keep_the_order_of_keys_and_execute_all(
    connection: Connection, database: str
) -> None:
    """Some write one command after the other, some commit theirs late; four sessions execute."""
    parts, is_over = new_parts(CollectorRegistry()), threading.Event()
    keys = "abc"
    with ThreadPoolExecutor(10) as pool:
        workers = [pool.submit(work, Executor(parts), database, is_over) for _ in range(4)]
        late = [pool.submit(write_late, database, key, number) for number, key in enumerate(keys)]
        steady = [pool.submit(write_steadily, database, key) for key in keys]
        try:
            submitted = [each.result() for each in steady]
            late_ones = [each.result() for each in late]
            wait_until(lambda: inbox.list_queued(connection) == [], 60, "all are executed")
        finally:
            is_over.set()
        floors = [each.result() for each in workers]
    done = [row[0] for row in connection.execute(DONE).fetchall()]
    assert sorted(done) == sorted(chain.from_iterable(submitted + late_ones))
    for mine in submitted + late_ones:
        assert [each for each in done if each in set(mine)] == mine
    assert any(each.floor > 0 for found in floors for each in found.way(""))


def work(executor: Executor, database: str, is_over: threading.Event) -> Floors:
    with connections.connect(database, application="worker") as link:
        while not is_over.is_set():
            executor.run_once(link)
        return executor._floors


def write_steadily(database: str, key: str) -> list[UUID]:
    """Each is committed before the next one is submitted."""
    with connections.connect(database, application="steady") as link:
        return [unknown(link, key) for _ in range(STEADY)]


def write_late(database: str, key: str, seed: int) -> list[UUID]:
    chance, pause, found = random.Random(seed), threading.Event(), []
    with connections.connect(database, application="late") as link:
        for _ in range(LATE):
            with link.transaction():
                found.append(unknown(link, key))
                pause.wait(chance.uniform(0, 0.1))
    return found


def unknown(link: Connection, key: str) -> UUID:
    return submit(link, "DeleteClass", {"class_id": str(uuid.uuid4())}, key=key)
