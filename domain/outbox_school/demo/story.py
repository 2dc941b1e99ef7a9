"""What happens in the demonstration, step by step; each is announced before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from outbox_school.demo import batch as batches
from outbox_school.demo.batch import ESSAYS, Batch
from outbox_school.demo.classroom import STUDENTS, THREADS, Office, create_class, create_student
from outbox_school.stores.demo import list_roster, list_slots
from outbox_worker.application import demo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from outbox_school.stores.demo import Pupil, Slot

Asked: TypeAlias = "tuple[str, demo.Outcome]"
"""What a service asked for, in words, and what came of it."""

BEFORE_THE_DEATH: Final = 6
"""Commands that the first worker has executed for certain when it is killed."""

CLASSES: Final = 1
REJECTED: Final = 2
"""Beside the students and the batch: each is one command and one event."""

SHOWN_ROWS: Final = 3
"""Of the class."""

STUDENT: Final = "class.student.created.v1"

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "class.created.v1": ("class_designation", "course_codes"),
    STUDENT: ("legal_full_name", "student_email"),
    "command.rejected.v1": ("command_type", "error"),
}
BATCH_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "els.essay.slot.assigned.v1": ("original_file_name", "essay_id"),
    "els.excess.content.provisioned.v1": ("original_file_name", "reason"),
    "batch.content.provisioning.completed.v1": (
        *("expected_count", "provisioned_count", "failed_count"),
    ),
    "els.batch.validation.errors.v1": ("error_summary",),
    "class.student.associations.confirmed.v1": ("summary",),
    "els.batch.essays.ready.v1": ("ready_essays", "course_code", "class_type"),
}
"""What is shown of a payload, by type."""


def _play(stage: demo.Stage) -> demo.Story:
    """All of it; what then must be true."""
    stage.chapter("A class and its students")
    stage.say("A worker: `outbox-worker run` executes commands and publishes events")
    worker = stage.start_worker()
    stage.say(
        "A teacher's service asks for a class, in plain SQL: SELECT outbox.submit("
        "'CreateClass', ...). It waits for the result by reading its row of outbox.command"
    )
    (created,) = stage.ask([create_class("5A")])
    office = Office(stage, created.command_id)
    _ask_for_students(stage, office, worker)
    stage.show_outcomes([("CreateClass 5A", created), *_ask_again(stage, office)])
    pupils = _read_roster(stage, created.command_id)
    stage.chapter("A batch of essays fills up")
    _fill_batch(stage, Batch(created.command_id), pupils)
    students = len(office.committed)
    return demo.Story(
        commands={
            "succeeded": CLASSES + students + batches.COMMANDS,
            "rejected": REJECTED,
        },
        events=CLASSES + students + REJECTED + batches.EVENTS,
        rolled_back=[request.command_id for request in office.rolled_back],
        tables=_tables(students),
    )


def _tables(students: int) -> list[demo.EventTable]:
    """Of the class a few events, of the batch all."""
    return [
        demo.EventTable(
            f"Events of the class, {SHOWN_ROWS} of its {students} students, and of what was "
            "rejected",
            [
                demo.Pick(["class.created.v1"]),
                demo.Pick([STUDENT], SHOWN_ROWS),
                demo.Pick(["command.rejected.v1"]),
            ],
        ),
        demo.EventTable(
            "Events of the batch: its key in six topics, merged by ce_time; within a topic that "
            "is the order of the records",
            [demo.Pick(list(BATCH_FIELDS))],
        ),
    ]


def _ask_for_students(stage: demo.Stage, office: Office, worker: int) -> None:
    """All students are there; another worker runs where the first was killed."""
    say, half = stage.say, STUDENTS // 2
    say(
        f"{THREADS} threads of the service ask for {STUDENTS} students, each in a transaction "
        "of its own; about a tenth of the transactions roll back"
    )
    say(
        f"In the middle of it worker {worker} is killed (SIGKILL)"
        if stage.can_kill
        else "No worker is killed: this broker could not keep what it left behind from readers"
    )
    with office.ask(range(half)):
        stage.await_succeeded(BEFORE_THE_DEATH)
        if stage.can_kill:
            stage.kill_worker()
    if stage.can_kill:
        counts = stage.count_commands()
        say(
            f"It is dead. {counts.get('succeeded', 0)} commands are executed, "
            f"{counts.get('queued', 0)} wait; the service continues asking"
        )
    with office.ask(range(half, STUDENTS)):
        pass
    if stage.can_kill:
        say(
            "Another worker takes over: the commands at once, the publishing when Kafka misses "
            "the dead one (6 s), from the position in the last Kafka transaction"
        )
        stage.start_worker()
    stage.await_success([request.command_id for request in office.committed])


def _ask_again(stage: demo.Stage, office: Office) -> list[Asked]:
    """A command that is known, and two that cannot be."""
    stage.say(
        "Once more: a command that is there already (same command_id: the first result stands), "
        "a student with an e-mail address that is taken, a class of a course that there is not"
    )
    first = office.committed[0]
    (before,) = stage.await_outcomes([first.command_id])
    # Another person at the address of the first one.
    taken = create_student(office.class_id, STUDENTS, email=first.payload["email"])
    unknown = create_class("9Z", course="LATIN9")
    again, *refused = stage.ask([first, taken, unknown])
    if again != before:
        raise RuntimeError("A repeated command has another result than the first time")
    return [
        (_of("CreateStudent", first, "first_name", "last_name"), before),
        ("  again, same command_id", again),
        ("CreateStudent, e-mail taken", refused[0]),
        ("CreateClass 9Z, no such course", refused[1]),
    ]


def _read_roster(stage: demo.Stage, class_id: UUID) -> list[Pupil]:
    stage.say("A reader sees the class through the view domain.roster")
    with stage.connect_reader() as reader:
        pupils = list_roster(reader, class_id)
    stage.show(
        f"domain.roster, the first {SHOWN_ROWS} of {len(pupils)} rows",
        ("last_name", "first_name", "email", "student_id"),
        [
            (pupil.last_name, pupil.first_name, pupil.email or "", str(pupil.student_id))
            for pupil in pupils[:SHOWN_ROWS]
        ],
    )
    return pupils


def _fill_batch(stage: demo.Stage, batch: Batch, pupils: Sequence[Pupil]) -> None:
    """From the first text, which is early, to the last decision of the teacher."""
    say = stage.say
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
    stage.show_outcomes(asked)
    say("A reader sees the batch through the view domain.slot")
    stage.show(
        "domain.slot",
        ("position", "essay_id", "original_file_name", "status", "student_name"),
        [
            (
                str(slot.position),
                str(slot.essay_id),
                slot.original_file_name or "",
                " ".join(filter(None, (slot.status, slot.validation_error_code))),
                slot.student_name or "",
            )
            for slot in _read_slots(stage, batch)
        ],
    )


def _ask(stage: demo.Stage, requests: Sequence[demo.Request]) -> list[Asked]:
    outcomes = stage.ask(requests)
    return [
        (_of(request.type, request, "original_file_name"), outcome)
        for request, outcome in zip(requests, outcomes, strict=True)
    ]


def _of(text: str, request: demo.Request, *fields: str) -> str:
    """The text, and what the request says in these fields."""
    return " ".join((text, *(request.payload[name] for name in fields if name in request.payload)))


def _read_slots(stage: demo.Stage, batch: Batch) -> list[Slot]:
    with stage.connect_reader() as reader:
        return list_slots(reader, batch.batch_id)


DEMO: Final = demo.Demo({**FIELDS, **BATCH_FIELDS}, _play)
