"""What happens in the demonstration, step by step; each is told before it is done."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from outbox_worker.demo import place as places
from outbox_worker.demo import service
from outbox_worker.demo.batch import ESSAYS, Batch
from outbox_worker.demo.classroom import STUDENTS, THREADS, Office, create_class, create_student
from outbox_worker.errors import WorkFailedError
from outbox_worker.local.ports import wait_until_ready
from outbox_worker.stores import demo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_worker.demo.place import Place
    from outbox_worker.local.worker import WorkerProcess
    from outbox_worker.stores import Connection
    from outbox_worker.stores.demo import Outcome, Pupil, Request, Slot

BEFORE_THE_DEATH: Final = 5
"""Commands that the first worker has executed for certain when it is killed."""


class Asked(NamedTuple):
    """What a service asked for, in words, and what came of it."""

    what: str
    outcome: Outcome


class Teller(Protocol):
    """Tells the story to people."""

    def chapter(self, text: str) -> None:
        """Begin a new part."""

    def say(self, text: str) -> None:
        """What happens next."""

    def show_results(self, asked: Sequence[Asked]) -> None:
        """What came of commands."""

    def show_roster(self, pupils: Sequence[Pupil]) -> None:
        """Who is in the class."""

    def show_slots(self, slots: Sequence[Slot]) -> None:
        """What stands in the slots of the batch."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all steps need; `link` is the service's session, `workers` end with the stage."""

    place: Place
    teller: Teller
    link: Connection
    workers: ExitStack


@dataclass(frozen=True, slots=True)
class Story:
    """What was done, for the verdict."""

    students: Sequence[Request]
    rolled_back: Sequence[Request]


def play(place: Place, teller: Teller) -> Story:
    """All of it; when this returns, all its events are published."""
    with ExitStack() as workers, service.connect(place.url) as link:
        stage = Stage(place, teller, link, workers)
        teller.chapter("A class and its students")
        teller.say("A worker: `outbox-worker run` executes commands and publishes events")
        worker = workers.enter_context(places.start_worker(place, places.has_shards))
        teller.say(
            "A teacher's service asks for a class, in plain SQL: SELECT outbox.submit("
            "'CreateClass', ...). It waits for the result by reading its row of outbox.command"
        )
        created = service.ask(link, [create_class("5A")])
        class_id = created[0].command_id
        office = Office(place.url, class_id)
        worker = _ask_for_students(stage, office, worker)
        teller.show_results([Asked("CreateClass 5A", *created), *_ask_again(stage, office)])
        pupils = _read_roster(stage, class_id)
        teller.chapter("A batch of essays fills up")
        batch = Batch(class_id)
        _fill_batch(stage, batch, pupils)
        teller.chapter("What subscribers get")
        teller.say("Wait until the view outbox.lag says that each event is published")
        places.await_published(place)
        worker.stop()
    return Story(office.committed, office.rolled_back)


def _ask_for_students(stage: Stage, office: Office, worker: WorkerProcess) -> WorkerProcess:
    """All students are there; the worker that runs then, another one where the first was killed."""
    say, half = stage.teller.say, STUDENTS // 2
    may_die = stage.place.mock is None
    say(
        f"{THREADS} threads of the service ask for {STUDENTS} students, each in a transaction "
        "of its own; about a tenth of the transactions roll back"
    )
    say(
        f"In the middle of it worker {worker.pid} is killed (SIGKILL)"
        if may_die
        else "No worker is killed: this broker could not keep what it left behind from readers"
    )
    with office.ask(range(half)):
        _await_some(stage)
        if may_die:
            worker.kill()
    if may_die:
        counts = demo.count_commands(stage.link)
        say(
            f"It is dead. {counts.get('succeeded', 0)} commands are executed, "
            f"{counts.get('queued', 0)} wait; the service goes on asking"
        )
    with office.ask(range(half, STUDENTS)):
        pass
    if may_die:
        say(
            "Another worker takes over: the commands at once, the publishing when Kafka misses "
            "the dead one (6 s), from the position in the last Kafka transaction"
        )
        worker = stage.workers.enter_context(places.start_worker(stage.place, places.has_started))
    ids = [request.command_id for request in office.committed]
    service.expect_success(service.await_outcomes(stage.link, ids))
    return worker


def _await_some(stage: Stage) -> None:
    def are_there() -> bool:
        return demo.count_commands(stage.link).get("succeeded", 0) > BEFORE_THE_DEATH

    if not wait_until_ready(are_there, service.RESULT_S):
        raise WorkFailedError("The worker executes no commands")


def _ask_again(stage: Stage, office: Office) -> list[Asked]:
    """A command that is known, and two that cannot be."""
    stage.teller.say(
        "Once more: a command that is there already (same command_id: the first result stands), "
        "a student with an e-mail address that is taken, a class of a course that there is not"
    )
    first = office.committed[0]
    before = service.await_outcomes(stage.link, [first.command_id])[0]
    # Another person at the address of the first one.
    taken = create_student(office.class_id, STUDENTS, email=first.payload["email"])
    unknown = create_class("9Z", course="LATIN9")
    again, *refused = service.ask(stage.link, [first, taken, unknown])
    if again != before:
        raise WorkFailedError("A repeated command has another result than the first time")
    return [
        Asked(_of("CreateStudent", first, "first_name", "last_name"), before),
        Asked("  again, same command_id", again),
        Asked("CreateStudent, e-mail taken", refused[0]),
        Asked("CreateClass 9Z, no such course", refused[1]),
    ]


def _read_roster(stage: Stage, class_id: UUID) -> list[Pupil]:
    stage.teller.say("A reader sees the class through the view domain.roster")
    with service.connect(stage.place.url, service.READER) as reader:
        pupils = demo.list_roster(reader, class_id)
    stage.teller.show_roster(pupils)
    return pupils


def _fill_batch(stage: Stage, batch: Batch, pupils: Sequence[Pupil]) -> None:
    """From the first text, which is early, to the last decision of the teacher."""
    say = stage.teller.say
    say("Two texts come before their batch: they are kept (pending)")
    asked = _ask(stage, [batch.text(1), batch.text(2)])
    say(
        f"The batch is registered with {ESSAYS} slots, for the class (REGULAR): the early texts "
        "get the first two"
    )
    asked += _ask(stage, [batch.registration()])
    say(
        "In one transaction: three texts, one of them twice, a file without a word in it, and "
        "a text too many. They share a key, so they are executed in this order"
    )
    rest = [batch.text(3), batch.text(4), batch.text(4)]
    asked += _ask(stage, [*rest, batch.failure(5), batch.text(6), batch.text(7)])
    say("The batch is full. Who wrote what is suggested, then the teacher decides")
    essays = [slot for slot in _read_slots(stage, batch) if slot.status == "assigned"]
    decided = [batch.suggestion(essays, pupils), batch.decision(essays, pupils)]
    asked += _ask(stage, decided)
    stage.teller.show_results(asked)
    say("A reader sees the batch through the view domain.slot")
    stage.teller.show_slots(_read_slots(stage, batch))


def _ask(stage: Stage, requests: Sequence[Request]) -> list[Asked]:
    outcomes = service.ask(stage.link, requests)
    return [
        Asked(_of(request.type, request, "original_file_name"), outcome)
        for request, outcome in zip(requests, outcomes, strict=True)
    ]


def _of(text: str, request: Request, *fields: str) -> str:
    """The text, and what the request says in these fields."""
    return " ".join((text, *(request.payload[name] for name in fields if name in request.payload)))


def _read_slots(stage: Stage, batch: Batch) -> list[Slot]:
    with service.connect(stage.place.url, service.READER) as reader:
        return demo.list_slots(reader, batch.batch_id)
