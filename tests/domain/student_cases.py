"""The table of rules of students: each rule, each error, each event with its exact payload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_school.commands import CreateClass, CreateStudent, DeleteStudent, UpdateStudent
from outbox_school.results import ErrorCode, StudentResult
from tests.domain.rule_cases import COMMAND, CORRELATION, Case, expected_event
from tests.domain.school_rows import (
    ANNA,
    BO,
    not_found,
    number,
    refused,
    taken,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

    from outbox_worker.application import Refused
    from tests.domain.school_rows import WrittenEvent


STUDENT: Final = number(1)
OTHER: Final = number(2)
ONE, TWO, THREE = number(11), number(12), number(13)


def room(class_id: object, actor: str = ANNA) -> CreateClass:
    return CreateClass.model_validate(
        {"actor": actor, "class_id": class_id, "name": "9B", "course_codes": ["SV1"]}
    )


def create(**fields: object) -> CreateStudent:
    given = {
        "actor": ANNA,
        "student_id": STUDENT,
        "first_name": "Ada",
        "last_name": "Ek",
        **fields,
    }
    return CreateStudent.model_validate(given)


def asked(**fields: object) -> CreateStudent:
    return create(command_id=COMMAND, correlation_id=CORRELATION, **fields)


def update(**fields: object) -> UpdateStudent:
    given = {"actor": ANNA, "student_id": STUDENT, "correlation_id": CORRELATION, **fields}
    return UpdateStudent.model_validate(given)


def delete(**fields: object) -> DeleteStudent:
    given = {"actor": ANNA, "student_id": STUDENT, "correlation_id": CORRELATION, **fields}
    return DeleteStudent.model_validate(given)


def created(**changes: JsonValue) -> dict[str, JsonValue]:
    """The payload of the created event."""
    return {
        "student_id": str(STUDENT),
        "first_name": "Ada",
        "last_name": "Ek",
        "legal_full_name": "Ada Ek",
        "student_email": None,
        "class_ids": [],
        "created_by": ANNA,
        **changes,
    }


def updated(**changes: JsonValue) -> list[WrittenEvent]:
    """The event of a change: what changed, and nothing else."""
    payload = {"student_id": str(STUDENT), **changes, "updated_by": ANNA}
    return [expected_event("class.student.updated.v1", STUDENT, **payload)]


def duplicate(email: str) -> Refused:
    return refused(
        ErrorCode.DUPLICATE_EMAIL,
        "Another student of yours has this e-mail address",
        email=email,
    )


def no_class(*class_ids: object) -> Refused:
    return refused(
        ErrorCode.CLASS_NOT_FOUND, "You have no such class", class_ids=[str(i) for i in class_ids]
    )


DONE: Final = StudentResult(student_id=STUDENT)
TOLD_CREATED: Final = "class.student.created.v1"
ROOMS: Final = (room(ONE), room(TWO), room(THREE, BO))

CREATING: Final = {
    "a student is created": Case(
        asked(), DONE, [expected_event(TOLD_CREATED, STUDENT, **created())]
    ),
    "without an id it has that of its command": Case(
        CreateStudent(
            actor=ANNA,
            first_name="Ada",
            last_name="Ek",
            command_id=COMMAND,
            correlation_id=CORRELATION,
        ),
        StudentResult(student_id=COMMAND),
        [expected_event(TOLD_CREATED, COMMAND, **created(student_id=str(COMMAND)))],
    ),
    "a legal name of its own": Case(
        asked(legal_full_name=" Augusta Ada Ek "),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(legal_full_name="Augusta Ada Ek"))],
    ),
    "nulls where something may be left out": Case(
        asked(legal_full_name=None, email=None),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created())],
    ),
    "names of 255 characters": Case(
        asked(first_name="å" * 255, last_name="ö" * 255),
        DONE,
        [
            expected_event(
                TOLD_CREATED,
                STUDENT,
                **created(
                    first_name="å" * 255,
                    last_name="ö" * 255,
                    legal_full_name=f"{'å' * 255} {'ö' * 255}",
                ),
            )
        ],
    ),
    "an address keeps its letters, its domain gets small ones": Case(
        asked(email=" Ada.Ek@Skola.SE "),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(student_email="Ada.Ek@skola.se"))],
    ),
    "an address at .test, which is for trying out": Case(
        asked(email="ada@skola.test"),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(student_email="ada@skola.test"))],
    ),
    "an address at .local, which is a network's own": Case(
        asked(email="Ada@Skola.Local"),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(student_email="Ada@skola.local"))],
    ),
    "names without what nobody sees at their ends": Case(
        asked(first_name="\u200b\ufeff Ada\u00ad\u200d", last_name="\u3164 Ek\u2060 "),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created())],
    ),
    "names with what nobody sees inside them, or what chooses the form of a letter": Case(
        asked(first_name="Ada\u200cLi", last_name="葛\U000e0100"),
        DONE,
        [
            expected_event(
                TOLD_CREATED,
                STUDENT,
                **created(
                    first_name="Ada\u200cLi",
                    last_name="葛\U000e0100",
                    legal_full_name="Ada\u200cLi 葛\U000e0100",
                ),
            )
        ],
    ),
    "classes, each once, in the order of their ids": Case(
        asked(class_ids=[TWO, ONE, TWO]),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(class_ids=[str(ONE), str(TWO)]))],
        before=ROOMS,
    ),
    "an address that a student of one's own has": Case(
        asked(email="ada@skola.se"),
        duplicate("ada@skola.se"),
        before=[create(student_id=OTHER, email="ada@skola.se")],
    ),
    "such an address in other letters": Case(
        asked(email="ÅDA@SKOLA.SE"),
        duplicate("ÅDA@skola.se"),
        before=[create(student_id=OTHER, email="åda@skola.se")],
    ),
    "an address that a student of somebody else has": Case(
        asked(email="ada@skola.se"),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(student_email="ada@skola.se"))],
        before=[create(student_id=OTHER, email="ada@skola.se", actor=BO)],
    ),
    "no address, like others": Case(
        asked(),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created())],
        before=[create(student_id=OTHER)],
    ),
    "an address that is free again": Case(
        asked(email="ada@skola.se"),
        DONE,
        [expected_event(TOLD_CREATED, STUDENT, **created(student_email="ada@skola.se"))],
        before=[
            create(student_id=OTHER, email="ada@skola.se"),
            update(student_id=OTHER, email=None),
        ],
    ),
    "classes that are not there, or somebody else's": Case(
        asked(class_ids=[number(99), ONE, THREE]),
        no_class(THREE, number(99)),
        before=ROOMS,
    ),
    "an id of one's own is taken": Case(asked(), taken("student_id"), before=[create()]),
    "an id of somebody else is taken": Case(
        asked(), taken("student_id"), before=[create(actor=BO)]
    ),
}

ENROLLED: Final = (*ROOMS, create(email="ada@skola.se", class_ids=[ONE]))

UPDATING: Final = {
    "a first name, and with it a legal name that follows": Case(
        update(first_name="Eva"),
        DONE,
        updated(first_name="Eva", legal_full_name="Eva Ek"),
        before=ENROLLED,
    ),
    "a last name beside a legal name of its own": Case(
        update(last_name="Al"),
        DONE,
        updated(last_name="Al"),
        before=[create(legal_full_name="Augusta Ada Ek")],
    ),
    "a legal name": Case(
        update(legal_full_name="Augusta Ada Ek"),
        DONE,
        updated(legal_full_name="Augusta Ada Ek"),
        before=ENROLLED,
    ),
    "both names": Case(
        update(first_name="Eva", last_name="Al", legal_full_name="Ada Ek"),
        DONE,
        updated(first_name="Eva", last_name="Al"),
        before=ENROLLED,
    ),
    "an address": Case(
        update(email="eva@skola.se"),
        DONE,
        updated(student_email="eva@skola.se"),
        before=ENROLLED,
    ),
    "the letters of an address": Case(
        update(email="ADA@skola.se"),
        DONE,
        updated(student_email="ADA@skola.se"),
        before=ENROLLED,
    ),
    "a null clears the address": Case(
        update(email=None), DONE, updated(student_email=None), before=ENROLLED
    ),
    "a null where there was none": Case(update(email=None), DONE, before=[create()]),
    "an address that a student of one's own has": Case(
        update(email="Bea@skola.se"),
        duplicate("Bea@skola.se"),
        before=[create(), create(student_id=OTHER, email="bea@skola.se")],
    ),
    "an address that a student of somebody else has": Case(
        update(email="bea@skola.se"),
        DONE,
        updated(student_email="bea@skola.se"),
        before=[create(), create(student_id=OTHER, email="bea@skola.se", actor=BO)],
    ),
    "a class more": Case(
        update(add_class_ids=[TWO, TWO]),
        DONE,
        updated(added_class_ids=[str(TWO)]),
        before=ENROLLED,
    ),
    "a class less": Case(
        update(remove_class_ids=[ONE]),
        DONE,
        updated(removed_class_ids=[str(ONE)]),
        before=ENROLLED,
    ),
    "from one class to another": Case(
        update(add_class_ids=[TWO], remove_class_ids=[ONE], first_name="Ada"),
        DONE,
        updated(added_class_ids=[str(TWO)], removed_class_ids=[str(ONE)]),
        before=ENROLLED,
    ),
    "only what really changes is in the event": Case(
        update(add_class_ids=[ONE, TWO], last_name="Ek", first_name="Ida"),
        DONE,
        updated(first_name="Ida", legal_full_name="Ida Ek", added_class_ids=[str(TWO)]),
        before=ENROLLED,
    ),
    "nothing changes": Case(
        update(
            first_name="Ada",
            email="ada@skola.se",
            add_class_ids=[ONE],
            remove_class_ids=[TWO, THREE, number(99)],
        ),
        DONE,
        before=ENROLLED,
    ),
    "classes that are not there, or somebody else's": Case(
        update(first_name="Ida", add_class_ids=[number(99), TWO, THREE]),
        no_class(THREE, number(99)),
        before=ENROLLED,
    ),
    "a student that is not there": Case(update(first_name="Ida"), not_found("student_id", STUDENT)),
    "a student of somebody else": Case(
        update(first_name="Ida", email="ada@skola.se"),
        not_found("student_id", STUDENT),
        before=[create(actor=BO, email="ada@skola.se")],
    ),
}

DELETING: Final = {
    "a student is deleted": Case(
        delete(),
        DONE,
        [
            expected_event(
                "class.student.deleted.v1",
                STUDENT,
                student_id=str(STUDENT),
                first_name="Ada",
                last_name="Ek",
                legal_full_name="Ada Ek",
                student_email="ada@skola.se",
                class_ids=[str(ONE), str(TWO)],
                deleted_by=ANNA,
            )
        ],
        before=[*ROOMS, create(email="ada@skola.se", class_ids=[TWO, ONE])],
    ),
    "a student that is not there": Case(delete(), not_found("student_id", STUDENT)),
    "a student of somebody else": Case(
        delete(), not_found("student_id", STUDENT), before=[create(actor=BO)]
    ),
}
