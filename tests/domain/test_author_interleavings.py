"""Two who decide about a batch of a class, or fill it, in every order of their statements.

Its two slots are taken, or all but the last one; whoever does the last thing tells it, once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from uuid import UUID, uuid4

import pytest

from outbox_school.handle import handle
from outbox_school.overdue import Decided
from outbox_school.results import ConfirmationResult
from outbox_worker.postgres import database as connections
from tests.domain.authors import (
    CONFIRMED,
    READY,
    TEACHER,
    Batch,
    Room,
    completed_at,
    confirm,
    decide,
    events_of_batch,
    found,
    kinds,
    make_room,
    succeeds,
    suggest,
)
from tests.domain.scheduler import END, Transaction, carry_out, in_every_order, scheduler
from tests.domain.upload_rules import assert_batch_rules
from tests.domain.uploads import ASSIGNED, COMPLETED, ERRORS, broken, essay, registration, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.domain.scheduler import Execution, Pick, Scheduler
    from tests.domain.school_rows import Connection

Author: TypeAlias = "tuple[str | None, UUID | None]"
"""The method by which it was decided, and the student."""

SLOTS: Final = 2
READ_SLOTS: Final = (
    "SELECT slot.essay_id, slot.status, method, student_id "
    "FROM school.slot LEFT JOIN school.association USING (batch_id, essay_id) "
    "WHERE slot.batch_id = %s ORDER BY position"
)
STOPS: Final = frozenset(
    {
        "association/lock_batch",
        "association/list_assigned",
        "association/decide_by_hand",
        "association/claim_overdue",
        "association/decide_overdue",
        "association/complete_batch",
        "slot/claim_slot",
        "batch/mark_provisioned",
        END,
    }
)
"""Of the slots only one wants any; no other statement is waited for, or asks what others change."""


class Slot(NamedTuple):
    """A slot, and the author of its essay."""

    essay_id: UUID
    status: str
    method: str | None
    student_id: UUID | None

    @property
    def author(self) -> Author:
        """Who wrote it, as far as it is decided."""
        return self.method, self.student_id

    @property
    def is_undecided(self) -> bool:
        """Whether nobody said yet who wrote the text."""
        return self.status == "assigned" and self.method is None


@dataclass(frozen=True)
class Part(Transaction):
    """A transaction, and which method and author it wants for the essay that is suggested."""

    wants: Author | None = None


@dataclass(frozen=True)
class Race:
    """Two transactions over a batch of so many texts; the last author may be overdue before.

    Who came first decides, unless a person has the last word: before the batch is full.
    """

    texts: int
    parts: Callable[[Batch], list[Part]]
    is_overdue: bool = False
    last_word: bool = False


def teacher(batch: Batch, *answers: tuple[int, int | None], commits: bool = True) -> Part:
    """The essay at this place was written by the student of this number, or by nobody."""
    students = batch.room.students
    authors = {
        essay(place): None if number is None else students[number] for place, number in answers
    }
    work = partial(confirm, batch_id=batch.batch_id, authors=authors)
    return Part([work], commits, ("human", authors[essay(answers[0][0])]))


def overdue(batch: Batch, *, commits: bool = True) -> Part:
    """A day has gone by since the first student was suggested."""
    return Part([decide], commits, ("timeout", batch.room.students[0]))


def last_text(batch: Batch) -> Part:
    return Part([text(SLOTS, batch.batch_id)])


def last_failure(batch: Batch, *, commits: bool = True) -> Part:
    return Part([broken(SLOTS, batch.batch_id)], commits)


RACES: Final[Mapping[str, Race]] = {
    "a teacher and the time-out": Race(2, lambda b: [teacher(b, (2, 1)), overdue(b)]),
    "a teacher who agrees with the time-out": Race(2, lambda b: [teacher(b, (2, 0)), overdue(b)]),
    "a teacher who rolls back and the time-out": Race(
        2, lambda b: [teacher(b, (2, 1), commits=False), overdue(b)]
    ),
    "a teacher and a time-out that rolls back": Race(
        2, lambda b: [teacher(b, (2, 1)), overdue(b, commits=False)]
    ),
    "two answers of a teacher": Race(2, lambda b: [teacher(b, (2, 1)), teacher(b, (2, None))]),
    "two time-outs": Race(2, lambda b: [overdue(b), overdue(b)]),
    "a teacher and the last text": Race(1, lambda b: [teacher(b, (1, 1)), last_text(b)]),
    "a teacher who knows the last text, and that text": Race(
        1, lambda b: [teacher(b, (1, 1), (2, None)), last_text(b)]
    ),
    "a teacher and the last file, which failed": Race(
        1, lambda b: [teacher(b, (1, 1)), last_failure(b)]
    ),
    "a teacher who rolls back and the last file, which failed": Race(
        1, lambda b: [teacher(b, (1, 1), commits=False), last_failure(b)]
    ),
    "a teacher and the last file, which failed and rolls back": Race(
        1, lambda b: [teacher(b, (1, 1)), last_failure(b, commits=False)]
    ),
    "a teacher and the time-out before the last file": Race(
        1, lambda b: [teacher(b, (1, 1)), overdue(b)], last_word=True
    ),
    "a teacher after the time-out, and the last file, which failed": Race(
        1, lambda b: [teacher(b, (1, 1)), last_failure(b)], is_overdue=True
    ),
    "the time-out and the last text": Race(1, lambda b: [overdue(b), last_text(b)]),
    "the time-out and the last file, which failed": Race(
        1, lambda b: [overdue(b), last_failure(b)]
    ),
}


@pytest.fixture(scope="module")
def duo(migrated_database_url: str) -> Iterator[Scheduler]:
    with scheduler(migrated_database_url, 2) as found:
        yield found


@pytest.fixture(scope="module")
def connection(migrated_database_url: str) -> Iterator[Connection]:
    with connections.connect(migrated_database_url, application="tests") as link:
        link.execute("SET synchronous_commit = off")
        yield link


@pytest.fixture(scope="module")
def room(connection: Connection) -> Room:
    found = make_room(connection, 2)
    # The events of the class are not among a batch's events.
    connection.execute("TRUNCATE outbox.event")
    return found


@pytest.mark.parametrize("name", RACES)
def test_who_decides_or_fills_in_every_order(
    duo: Scheduler, connection: Connection, room: Room, name: str
) -> None:
    race = RACES[name]

    def run(pick: Pick) -> tuple[list[int], Author]:
        batch = prepare(connection, room, race)
        parts = race.parts(batch)
        execution = duo.run(parts, STOPS, pick)
        try:
            author = check(connection, batch)
            assert author == (reported(parts, execution) or before(race, room))
            finish(connection, batch, parts)
            return execution.taken, check(connection, batch)
        except AssertionError as fault:
            fault.add_note(f"{execution}, {events_of_batch(connection, batch.batch_id)}")
            raise

    orders = in_every_order(run)
    sys.stdout.write(f"{len(orders)} orders\n")
    assert len({tuple(taken) for taken, _ in orders}) == len(orders) > 1
    assert_authors(race, room, orders)
    assert_batch_rules(connection)


def prepare(connection: Connection, room: Room, race: Race) -> Batch:
    """The author of the last text is suggested, those of others are decided."""
    essays = [essay(place) for place in range(1, race.texts + 1)]
    batch = Batch(room, essays, batch_id=uuid4())
    given = {"user_id": TEACHER, "course_code": "SV2", "class_id": room.class_id}
    with connection.transaction():
        succeeds(handle(connection, registration(SLOTS, batch.batch_id, **given)))
        for place in range(1, race.texts + 1):
            succeeds(handle(connection, text(place, batch.batch_id)))
        *others, last = essays
        if others:
            succeeds(confirm(connection, batch.batch_id, dict.fromkeys(others)))
        succeeds(suggest(connection, batch, found(last, (room.students[0], 0.9))))
        assert not race.is_overdue or decide(connection) == Decided(1, 0, 0)
    return batch


def before(race: Race, room: Room) -> Author:
    """The author as it stood when the two began."""
    return ("timeout", room.students[0]) if race.is_overdue else (None, None)


def check(connection: Connection, batch: Batch) -> Author:
    """The events say everything that is true by now; the author of the last text from before."""
    now = slots(connection, batch)
    events = events_of_batch(connection, batch.batch_id)
    assert [kind for kind, _ in events] == due(now)
    assert (completed_at(connection, batch.batch_id) is not None) == (READY in due(now))
    for kind, payload in events:
        assert kind != CONFIRMED or [
            (each["essay_id"], each["method"], each["student_id"])
            for each in payload["associations"]
        ] == [
            (str(each.essay_id), each.method, each.student_id and str(each.student_id))
            for each in now
            if each.status == "assigned"
        ]
    (author,) = (each.author for each in now if each.essay_id == batch.essays[-1])
    return author


def reported(parts: Sequence[Part], execution: Execution) -> Author | None:
    """The decision that somebody says to have made, or a person's after that for lack of time."""
    said = [
        part.wants
        for part, results in zip(parts, execution.results, strict=True)
        if part.commits and part.wants and any(map(decides, results))
    ]
    assert len({method for method, _ in said}) == len(said)
    return min(said, key=itemgetter(0), default=None)


def decides(result: object) -> bool:
    match result:
        case ConfirmationResult(decided=count):
            return count > 0
        case Decided():
            return result.essays > 0
        case _:
            return False


def finish(connection: Connection, batch: Batch, parts: Sequence[Part]) -> None:
    """All try again, as after an error, and what is left to do is done: the batch completes."""
    for part in sorted(parts, key=lambda each: not each.commits):
        for work in part.works:
            carry_out(connection, work)
    now = slots(connection, batch)
    if any(each.status == "free" for each in now):
        succeeds(handle(connection, broken(SLOTS, batch.batch_id)))
    rest = [each.essay_id for each in now if each.is_undecided]
    if rest:
        succeeds(confirm(connection, batch.batch_id, dict.fromkeys(rest)))
    assert kinds(connection, batch)[-2:] == [CONFIRMED, READY]


def assert_authors(race: Race, room: Room, orders: Sequence[tuple[list[int], Author]]) -> None:
    """The first one had his way, or a person; whoever could have it, had it in some order."""
    parts = race.parts(Batch(room, []))
    wishes = [part.wants if part.commits else None for part in parts]
    authors = [author for _, author in orders]
    if None not in wishes and not race.last_word:
        assert authors == [wishes[taken[0]] for taken, _ in orders]
    possible = {wish for wish in wishes if wish}
    if race.is_overdue:
        possible.add(before(race, room))
    if race.last_word:
        possible = {min(possible, key=itemgetter(0))}
    assert set(authors) == possible or not possible


def slots(connection: Connection, batch: Batch) -> list[Slot]:
    return [Slot(*row) for row in connection.execute(READ_SLOTS, (batch.batch_id,))]


def due(found: Sequence[Slot]) -> list[str]:
    """What has to be told of these slots, in this order."""
    statuses = [each.status for each in found]
    told = [ASSIGNED] * statuses.count("assigned")
    if "free" in statuses:
        return told
    told += [COMPLETED, ERRORS] if "failed" in statuses else [COMPLETED]
    return told if any(each.is_undecided for each in found) else [*told, CONFIRMED, READY]
