"""Those who decide about a batch at the same time: one decision, told once."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from outbox_school.overdue import Decided
from outbox_school.results import ConfirmationResult
from outbox_worker.application import Refused
from outbox_worker.postgres import database as connections
from tests.domain.authors import (
    COMPLETION,
    NOON,
    WAIT_S,
    completed_at,
    confirm,
    decide,
    found,
    kinds,
    make_batch,
    make_room,
    provision,
    rows,
    succeeds,
    suggest,
    suggested_batch,
)
from tests.domain.concurrent_calls import concurrent_calls
from tests.harness.rounds import TIMES, rounds
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.application import Connection
    from tests.domain.concurrent_calls import Work

ROUNDS: Final = 250

Outcome = TypeVar("Outcome")


@pytest.fixture
def other(database: str) -> Iterator[Connection]:
    """A second session."""
    with connections.connect(database, application="other") as link:
        yield link


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def waits(connection: Connection) -> bool:
    """Whether a session of this database waits for a row."""
    found = connection.execute(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return found is not None and bool(found[0])


def blocked(pool: ThreadPoolExecutor, watcher: str, work: Callable[[], Outcome]) -> Future[Outcome]:
    """Start `work` and return once it waits for somebody's lock."""
    future = pool.submit(work)
    with connections.connect(watcher, application="watcher") as link:
        wait_until(lambda: waits(link), WAIT_S, "the second one waits for the first")
    return future


def test_a_batch_that_a_teacher_is_deciding_is_passed_over(
    connection: Connection, other: Connection
) -> None:
    room = make_room(connection)
    held, free = (suggested_batch(connection, room, 1) for _ in range(2))
    other.execute("SET lock_timeout = '5s'")
    with connection.transaction():
        succeeds(confirm(connection, held.batch_id, {held.essays[0]: None}))
        assert decide(other) == Decided(1, 0, 1)
        assert decide(other) is None
    assert decide(other) is None
    assert kinds(other, held) == kinds(other, free) == COMPLETION
    assert rows(other, held.batch_id)[held.essays[0]][0] == "no_student"


def test_a_decision_that_is_rolled_back_leaves_it_to_the_time_out(
    connection: Connection, other: Connection
) -> None:
    batch = suggested_batch(connection, make_room(connection), 1)
    with connection.transaction(force_rollback=True):
        succeeds(confirm(connection, batch.batch_id, {batch.essays[0]: None}))
    assert decide(other) == Decided(1, 0, 1)
    assert kinds(connection, batch) == COMPLETION


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_teacher_waits_for_the_time_out_and_finds_its_decision(
    connection: Connection,
    other: Connection,
    database: str,
    pool: ThreadPoolExecutor,
    rolled_back: bool,
) -> None:
    batch = suggested_batch(connection, make_room(connection), 1)
    answers = {batch.essays[0]: batch.room.students[1]}
    with connection.transaction(force_rollback=rolled_back):
        assert decide(connection) == Decided(1, 0, 1)
        future = blocked(pool, database, partial(confirm, other, batch.batch_id, answers))
    result = future.result(WAIT_S)
    if rolled_back:
        assert result == ConfirmationResult(batch_id=batch.batch_id, decided=1, completed=True)
    else:
        assert isinstance(result, Refused)
    method = "human" if rolled_back else "timeout"
    assert rows(connection, batch.batch_id)[batch.essays[0]][3] == method
    assert kinds(connection, batch) == COMPLETION


def test_of_two_suggestions_at_once_the_first_stays(
    connection: Connection, other: Connection, database: str, pool: ThreadPoolExecutor
) -> None:
    batch = make_batch(connection, make_room(connection))
    ada, bob, _ = batch.room.students
    first, second = batch.essays
    with connection.transaction():
        succeeds(suggest(connection, batch, found(first, (ada, 0.1))))
        later = [found(essay, (bob, 0.9)) for essay in (first, second)]
        future = blocked(pool, database, partial(suggest, other, batch, *later))
    assert future.result(WAIT_S).model_dump(include={"created", "known"}) == {
        "created": 1,
        "known": 1,
    }
    found_now = connection.execute(
        "SELECT essay_id, suggested_student_id FROM school.association"
    ).fetchall()
    assert dict(found_now) == {first: ada, second: bob}


@pytest.mark.slow
def test_a_teacher_and_the_time_out_make_one_decision(
    connection: Connection, database: str
) -> None:
    room = make_room(connection)
    methods: Counter[str] = Counter()
    with concurrent_calls(database) as calls:
        for _ in rounds(ROUNDS):
            batch = suggested_batch(connection, room, 2)
            author = calls.chance.choice([None, *room.students[1:]])
            answers = dict.fromkeys(batch.essays, author)
            teach = partial(confirm, batch_id=batch.batch_id, authors=answers)
            result, *decided = calls.at_once([teach, decide, decide])
            counts = [each.essays for each in decided if isinstance(each, Decided)]
            method = "timeout" if isinstance(result, Refused) else "human"
            methods[method] += 1
            assert {row[3] for row in rows(connection, batch.batch_id).values()} == {method}
            assert sum(counts) == (2 if method == "timeout" else 0)
            assert kinds(connection, batch) == COMPLETION
    sys.stdout.write(f"{methods}\n")


@pytest.mark.parametrize("first", ["content", "teacher"])
def test_content_and_teacher_wait_for_each_other_and_one_completes(
    connection: Connection,
    other: Connection,
    database: str,
    pool: ThreadPoolExecutor,
    first: str,
) -> None:
    batch = make_batch(connection, make_room(connection), provisioned=False)
    answers = dict.fromkeys(batch.essays, batch.room.students[0])

    def teach(link: Connection) -> bool:
        result = confirm(link, batch.batch_id, answers)
        return isinstance(result, ConfirmationResult) and result.completed

    upload: Callable[[Connection], bool] = partial(provision, batch=batch)
    one, two = (upload, teach) if first == "content" else (teach, upload)
    with connection.transaction():
        assert not one(connection)
        future = blocked(pool, database, partial(two, other))
        assert kinds(connection, batch) == []
    assert future.result(WAIT_S)
    assert kinds(connection, batch) == COMPLETION
    assert completed_at(connection, batch.batch_id) == NOON


@pytest.mark.slow
def test_content_teachers_and_the_time_out_at_once_complete_a_batch_once(
    connection: Connection, database: str
) -> None:
    room = make_room(connection)
    ada = room.students[0]
    unready = 0
    with concurrent_calls(database) as calls:
        for _ in rounds(ROUNDS):
            batch = make_batch(connection, room, ["assigned"] * 3, provisioned=False)
            one, two, three = batch.essays
            is_due = calls.chance.random() < 0.8
            suggested_at = NOON if is_due else NOON + timedelta(hours=1)
            succeeds(suggest(connection, batch, found(three, (ada, 0.9)), now=suggested_at))
            hand = partial(confirm, batch_id=batch.batch_id)
            works: list[Work] = [
                partial(provision, batch=batch),
                partial(hand, authors={one: ada}),
                partial(hand, authors={one: ada}),
                partial(hand, authors={two: None}),
                decide,
            ]
            calls.chance.shuffle(works)
            calls.at_once(works)
            if kinds(connection, batch) == []:
                # It was not time yet, or the time-out passed over a batch that was held.
                unready += 1
                succeeds(confirm(connection, batch.batch_id, {three: ada}))
            else:
                assert is_due
            assert kinds(connection, batch) == COMPLETION
    sys.stdout.write(f"{unready} of {ROUNDS * TIMES} rounds left an essay undecided\n")
