"""Many connections and several processes on the same batches: exact, whoever comes first."""

from __future__ import annotations

import random
import secrets
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

import outbox_school
from outbox_school.results import ContentResult, FailureResult
from outbox_worker.postgres import database as postgres
from tests.domain import contention
from tests.domain.contention import open_connections, thirty_distinct, twenty_identical
from tests.domain.school_rows import succeeds
from tests.domain.second_connection import second_connections
from tests.domain.upload_rules import assert_batch_rules
from tests.domain.uploader import START, Upload, connect, drawn, upload_all
from tests.domain.uploads import COMPLETED, assigned, broken, excess, registration, text
from tests.harness.rounds import rounds
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.contention import Connections, ContendedBatch
    from tests.domain.school_rows import Connection
    from tests.domain.upload_rules import BatchRecord

WAIT_S: Final = 60.0


@pytest.fixture
def chance() -> random.Random:
    """From a seed that is printed, which pytest shows with a failure."""
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(seed)


@pytest.fixture
def link(database: str) -> Iterator[Connection]:
    with connect(database) as found:
        yield found


@pytest.fixture
def connections(database: str) -> Iterator[Connections]:
    """Twenty."""
    with open_connections(database, 20) as found:
        yield found


def register(link: Connection, count: int, batch_id: UUID | None = None) -> UUID:
    found = batch_id or uuid4()
    succeeds(outbox_school.handle(link, registration(count, found)))
    return found


def statuses(results: Sequence[Result]) -> Counter[str]:
    """How many came out how; every one was new."""
    counted: Counter[str] = Counter()
    for result in results:
        assert isinstance(result, ContentResult | FailureResult)
        assert result.created
        counted[result.status] += 1
    return counted


def only(found: dict[str, BatchRecord], batch_id: UUID) -> BatchRecord:
    return found[str(batch_id)]


def one_is_created(contended: ContendedBatch, results: Sequence[Result]) -> None:
    """All get the same slot, the first one, and one learns that it was new."""
    placed = assigned(1).model_copy(update={"batch_id": contended.batch_id})
    again = placed.model_copy(update={"created": False})
    assert Counter(results) == {placed: 1, again: len(contended.names) - 1}


def half_are_excess(contended: ContendedBatch, results: Sequence[Result]) -> None:
    """Each slot has another text, and the other texts have none."""
    assert statuses(results) == {
        "assigned": contended.slots,
        "excess": len(contended.names) - contended.slots,
    }
    essays = [each.essay_id for each in results if isinstance(each, ContentResult)]
    assert len(set(essays) - {None}) == contended.slots


def test_of_twenty_identical_texts_on_three_slots_one_is_created(
    link: Connection, connections: Connections, chance: random.Random
) -> None:
    for _ in rounds(15):
        contended = twenty_identical(chance)
        register(link, contended.slots, contended.batch_id)
        one_is_created(contended, connections.carry_out(contended.commands()))
    assert_batch_rules(link)


def test_of_thirty_texts_on_fifteen_slots_exactly_half_are_excess(
    link: Connection, connections: Connections, chance: random.Random
) -> None:
    # A deadlock is raised here, and fails: who waits holds nothing.
    for _ in rounds(25):
        contended = thirty_distinct(chance)
        register(link, contended.slots, contended.batch_id)
        half_are_excess(contended, connections.carry_out(contended.commands()))
    assert_batch_rules(link)


@pytest.mark.slow
def test_texts_of_several_processes_at_once_are_placed_as_those_of_one(
    database: str, link: Connection, chance: random.Random
) -> None:
    seed, count = chance.getrandbits(32), len(rounds(20))
    batches = contention.drawn(seed, count)
    for contended in batches:
        register(link, contended.slots, contended.batch_id)
    said = contention.in_processes(database, link, seed, count)
    too_late = []
    for contended in batches:
        of_each = [
            [each for each in found if each.batch_id == contended.batch_id] for found in said
        ]
        is_same = len(set(contended.names)) == 1
        (one_is_created if is_same else half_are_excess)(contended, [*chain(*of_each)])
        too_late.append(sum(any(each.status == "excess" for each in found) for found in of_each))
    sys.stdout.write(f"{too_late}\n")
    # One after the other, two would have a slot for each of their six texts.
    assert max(too_late) > 3
    assert_batch_rules(link)


def test_as_many_texts_and_failed_files_as_slots_all_find_one(
    link: Connection, connections: Connections, chance: random.Random
) -> None:
    for _ in rounds(25):
        batch_id = register(link, 20)
        texts = chance.randint(0, 20)
        results = connections.carry_out(
            [text(n, batch_id) if n < texts else broken(n, batch_id) for n in range(20)]
        )
        assert statuses(results) == +Counter({"assigned": texts, "failed": 20 - texts})
    assert_batch_rules(link)


def test_a_registration_against_fifty_texts_strands_none(
    link: Connection, connections: Connections, chance: random.Random
) -> None:
    for _ in rounds(15):
        batch_id = uuid4()
        texts = [text(n, batch_id) for n in range(50)]
        early = chance.randint(0, 40)
        connections.carry_out(texts[:early])
        rest: list[AnyCommand] = [*texts[early:]]
        rest.insert(chance.randint(0, len(rest)), registration(30, batch_id))
        connections.carry_out(rest)
        record = only(assert_batch_rules(link), batch_id)
        assert Counter(status for status, _ in record.content.values()) == {
            "assigned": 30,
            "excess": 20,
        }


def test_texts_failures_and_registrations_at_once_complete_a_batch_once(
    link: Connection, connections: Connections, chance: random.Random
) -> None:
    for _ in rounds(60):
        upload = Upload(uuid4(), chance.randint(1, 8), chance.randint(0, 8), chance.randint(0, 8))
        commands = [*upload.commands(), registration(upload.slots, upload.batch_id)]
        chance.shuffle(commands)
        for result in connections.carry_out(commands):
            succeeds(result)
    assert_batch_rules(link)


def test_who_waits_for_the_holder_of_the_last_slot_gets_it_when_that_rolls_back(
    database: str, link: Connection
) -> None:
    batch_id = register(link, 1)
    with second_connections(database) as (other_link,):
        with link.transaction(force_rollback=True):
            succeeds(outbox_school.handle(link, text(1, batch_id)))
            waiter = other_link.begin_blocked(text(2, batch_id))
        result = waiter.result(WAIT_S)
    assert result == assigned(1).model_copy(update={"batch_id": batch_id})
    record = only(assert_batch_rules(link), batch_id)
    assert set(record.content) == {"text-2"}


def test_who_waits_for_the_holder_of_the_last_slot_is_excess_when_that_commits(
    database: str, link: Connection
) -> None:
    batch_id = register(link, 1)
    with second_connections(database) as (other_link,):
        with link.transaction():
            succeeds(outbox_school.handle(link, text(1, batch_id)))
            waiter = other_link.begin_blocked(text(2, batch_id))
        assert waiter.result(WAIT_S) == excess().model_copy(update={"batch_id": batch_id})
    assert_batch_rules(link)


@pytest.mark.parametrize("commits", [True, False])
def test_who_takes_the_last_slot_waits_for_the_others_and_knows_then(
    database: str, link: Connection, commits: bool
) -> None:
    batch_id = register(link, 2)
    with second_connections(database) as (other_link,):
        with link.transaction(force_rollback=not commits):
            succeeds(outbox_school.handle(link, text(1, batch_id)))
            last = other_link.begin_blocked(text(2, batch_id))
        succeeds(last.result(WAIT_S))
    kinds = [kind for kind, _ in only(assert_batch_rules(link), batch_id).events]
    assert kinds.count(COMPLETED) == commits
    if not commits:
        succeeds(outbox_school.handle(link, text(3, batch_id)))
        assert [kind for kind, _ in only(assert_batch_rules(link), batch_id).events][
            -1
        ] == COMPLETED


def test_a_free_slot_is_not_waited_for_while_another_one_is_held(
    database: str, link: Connection
) -> None:
    batch_id = register(link, 3)
    with second_connections(database) as (other_link,), link.transaction():
        succeeds(outbox_school.handle(link, text(1, batch_id)))
        result = other_link.begin(text(2, batch_id)).result(WAIT_S)
        assert result == assigned(2).model_copy(update={"batch_id": batch_id})


def test_a_registration_waits_for_early_texts_and_sees_them(
    database: str, link: Connection
) -> None:
    batch_id = uuid4()
    with second_connections(database) as (other_link,):
        with link.transaction():
            succeeds(outbox_school.handle(link, text(1, batch_id)))
            registering = other_link.begin_blocked(registration(2, batch_id))
        succeeds(registering.result(WAIT_S))
    assert set(only(assert_batch_rules(link), batch_id).content.values()) == {
        ("assigned", UUID(int=101))
    }


def test_a_text_waits_for_the_registration_on_its_way(database: str, link: Connection) -> None:
    batch_id = uuid4()
    with second_connections(database) as (other_link,):
        with link.transaction():
            succeeds(outbox_school.handle(link, registration(2, batch_id)))
            waiter = other_link.begin_blocked(text(1, batch_id))
        assert waiter.result(WAIT_S) == assigned(1).model_copy(update={"batch_id": batch_id})
    assert_batch_rules(link)


def give_back(link: Connection, batch_id: UUID, count: int) -> None:
    """Every slot is taken, and free again; from now on it shows that somebody touched it."""
    with link.transaction(force_rollback=True):
        for n in range(count):
            succeeds(outbox_school.handle(link, text(n, batch_id)))


def test_who_takes_a_slot_that_was_given_back_waits_for_nobody_while_another_is_to_be_had(
    database: str, link: Connection
) -> None:
    # The first one holds two: its own, and the spare one that showed that it is not the last.
    batch_id = register(link, 4)
    give_back(link, batch_id, 4)
    with second_connections(database) as (other_link,), link.transaction():
        succeeds(outbox_school.handle(link, text(1, batch_id)))
        assert statuses([other_link.begin(text(2, batch_id)).result(WAIT_S)]) == {"assigned": 1}


def test_a_batch_whose_slots_were_all_given_back_is_filled_and_completed(
    link: Connection, connections: Connections
) -> None:
    batch_id = register(link, 200)
    give_back(link, batch_id, 200)
    results = connections.carry_out([text(n, batch_id) for n in range(210)])
    assert statuses(results) == {"assigned": 200, "excess": 10}
    assert_batch_rules(link)


@pytest.mark.slow
def test_uploaders_who_do_one_thing_at_a_time_never_wait_for_each_other(
    database: str, link: Connection, chance: random.Random
) -> None:
    seed = chance.getrandbits(32)
    uploads = drawn(seed, 60)
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        links = [stack.enter_context(connect(database)) for _ in range(8)]
        chances = [random.Random(f"{seed} {n}") for n in range(8)]
        deadlocks = list(pool.map(upload_all, links, [uploads] * 8, chances, [1] * 8))
    assert deadlocks == [0] * 8
    complete(assert_batch_rules(link), uploads)


@pytest.mark.slow
def test_uploaders_with_long_transactions_in_several_processes_agree(
    database: str, link: Connection, chance: random.Random
) -> None:
    seed = chance.getrandbits(32)
    arguments = ["-m", "tests.domain.uploader", database, str(seed)]
    with link.transaction():
        link.execute("SELECT pg_advisory_xact_lock(%s)", (START,))
        processes = [
            subprocess.Popen([sys.executable, *arguments, str(n), "60", "3"], cwd=ROOT)
            for n in range(4)
        ]
        wait_until(lambda: waiting(database) == len(processes), WAIT_S, "everybody is there")
    assert [each.wait(patient(100)) for each in processes] == [0] * len(processes)
    complete(assert_batch_rules(link), drawn(seed, 60))


def waiting(database: str) -> int:
    with postgres.connect(database, application="watcher") as watcher:
        row = watcher.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'uploader' "
            "AND wait_event = 'advisory'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def complete(found: dict[str, BatchRecord], uploads: Sequence[Upload]) -> None:
    """Everything that was offered has an answer, and as many slots are taken as could be."""
    for upload in uploads:
        record = only(found, upload.batch_id)
        assert len(record.content) == upload.texts
        assert len(record.failures) == upload.failures
        taken = sum(status != "free" for _, status, _, _ in record.slots)
        assert taken == min(upload.slots, upload.texts + upload.failures)
