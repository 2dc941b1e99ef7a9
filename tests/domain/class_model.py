"""Classes and students as plain Python: what each command must say, tell and leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from outbox_school.commands import (
    CreateClass,
    CreateStudent,
    DeleteClass,
    DeleteStudent,
    EraseStudent,
    UpdateClass,
    UpdateStudent,
)
from tests.domain.school_rows import SchoolRows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from pydantic import JsonValue

COURSES: Final = frozenset({"ENG5", "ENG6", "ENG7", "SV1", "SV2", "SV3"})

SchoolCommand = (
    CreateClass
    | UpdateClass
    | DeleteClass
    | CreateStudent
    | UpdateStudent
    | DeleteStudent
    | EraseStudent
)


class Expected(NamedTuple):
    """The code of an error or the id that comes back, and the event, without id and time."""

    outcome: str | UUID
    event: tuple[str, str, dict[str, JsonValue]] | None = None


class RuleBrokenError(Exception):
    """A command that must be refused; its argument is the code."""


@dataclass
class School:
    """Everything there is. `copy` it to try something out."""

    classes: dict[UUID, tuple[str, str, str]] = field(default_factory=dict)
    students: dict[UUID, tuple[str, str, str, str, str | None]] = field(default_factory=dict)
    enrolments: set[tuple[UUID, UUID]] = field(default_factory=set)

    def copy(self) -> School:
        return School(dict(self.classes), dict(self.students), set(self.enrolments))

    def rows(self) -> SchoolRows:
        """What the tables must hold."""
        return SchoolRows(
            frozenset((key, *row) for key, row in self.classes.items()),
            frozenset((key, *row) for key, row in self.students.items()),
            frozenset(self.enrolments),
        )

    def apply(self, command: SchoolCommand) -> Expected:
        """Carry it out; nothing changes where it is refused."""
        tried = self.copy()
        try:
            expected = tried._play(command)
        except RuleBrokenError as broken:
            return Expected(str(broken))
        self.classes, self.students = tried.classes, tried.students
        self.enrolments = tried.enrolments
        return expected

    def _play(self, command: SchoolCommand) -> Expected:
        match command:
            case CreateClass():
                expected = self._create_class(command)
            case UpdateClass():
                expected = self._update_class(command)
            case DeleteClass():
                expected = self._delete_class(command)
            case CreateStudent():
                expected = self._create_student(command)
            case UpdateStudent():
                expected = self._update_student(command)
            case DeleteStudent():
                expected = self._delete_student(command)
            case EraseStudent():
                expected = self._erase_student(command)
            case _:
                assert_never(command)
        return expected

    def _create_class(self, command: CreateClass) -> Expected:
        key = command.class_id or command.command_id
        course = only(command.course_codes)
        refuse_if(key in self.classes, "VALIDATION_ERROR")
        refuse_if(course not in COURSES, "COURSE_NOT_FOUND")
        self.classes[key] = (command.actor, command.name, course)
        return tell(
            "class.created.v1",
            "class_id",
            key,
            {
                "class_designation": command.name,
                "course_codes": [course],
                "user_id": command.actor,
            },
        )

    def _update_class(self, command: UpdateClass) -> Expected:
        key = command.class_id
        course = None if command.course_codes is None else only(command.course_codes)
        refuse_if(key not in self.of(command.actor, self.classes), "NOT_FOUND")
        owner, old_name, old_course = self.classes[key]
        refuse_if(course is not None and course not in COURSES, "COURSE_NOT_FOUND")
        changed: dict[str, JsonValue] = {}
        if command.name not in (None, old_name):
            changed["class_designation"] = command.name
        if course not in (None, old_course):
            changed["course_codes"] = [course]
        self.classes[key] = (owner, command.name or old_name, course or old_course)
        if not changed:
            return Expected(key)
        return tell("class.updated.v1", "class_id", key, changed | {"user_id": owner})

    def _delete_class(self, command: DeleteClass) -> Expected:
        key = command.class_id
        refuse_if(key not in self.of(command.actor, self.classes), "NOT_FOUND")
        owner, name, course = self.classes.pop(key)
        self.enrolments = {pair for pair in self.enrolments if pair[0] != key}
        return tell(
            "class.deleted.v1",
            "class_id",
            key,
            {
                "class_designation": name,
                "course_codes": [course],
                "user_id": owner,
            },
        )

    def _create_student(self, command: CreateStudent) -> Expected:
        key, actor = command.student_id or command.command_id, command.actor
        first, last = command.first_name, command.last_name
        legal = command.legal_full_name or f"{first} {last}"
        refuse_if(key in self.students, "VALIDATION_ERROR")
        self._refuse_duplicate(actor, key, command.email)
        self._refuse_strange(actor, command.class_ids)
        self.students[key] = (actor, first, last, legal, command.email)
        self.enrolments |= {(each, key) for each in command.class_ids}
        return tell(
            "class.student.created.v1",
            "student_id",
            key,
            {
                **names(self.students[key]),
                "class_ids": texts(set(command.class_ids)),
                "created_by": actor,
            },
        )

    def _update_student(self, command: UpdateStudent) -> Expected:
        key, actor = command.student_id, command.actor
        refuse_if(key not in self.of(actor, self.students), "NOT_FOUND")
        old = self.students[key]
        first = command.first_name or old[1]
        last = command.last_name or old[2]
        legal = old[3] if old[3] != f"{old[1]} {old[2]}" else f"{first} {last}"
        email = command.email if "email" in command.model_fields_set else old[4]
        self.students[key] = (actor, first, last, command.legal_full_name or legal, email)
        self._refuse_duplicate(actor, key, email)
        self._refuse_strange(actor, command.add_class_ids)
        mine = {pair[0] for pair in self.enrolments if pair[1] == key}
        added = set(command.add_class_ids) - mine
        removed = set(command.remove_class_ids) & mine
        self.enrolments |= {(each, key) for each in added}
        self.enrolments -= {(each, key) for each in removed}
        before, after = names(old), names(self.students[key])
        changed = {name: value for name, value in after.items() if value != before[name]}
        if added:
            changed["added_class_ids"] = texts(added)
        if removed:
            changed["removed_class_ids"] = texts(removed)
        if not changed:
            return Expected(key)
        return tell("class.student.updated.v1", "student_id", key, changed | {"updated_by": actor})

    def _delete_student(self, command: DeleteStudent) -> Expected:
        key = command.student_id
        refuse_if(key not in self.of(command.actor, self.students), "NOT_FOUND")
        gone = self.students.pop(key)
        mine = {pair for pair in self.enrolments if pair[1] == key}
        self.enrolments -= mine
        return tell(
            "class.student.deleted.v1",
            "student_id",
            key,
            {
                **names(gone),
                "class_ids": texts(pair[0] for pair in mine),
                "deleted_by": command.actor,
            },
        )

    def _erase_student(self, command: EraseStudent) -> Expected:
        key = command.student_id
        refuse_if(key not in self.of(command.actor, self.students), "NOT_FOUND")
        del self.students[key]
        mine = {pair for pair in self.enrolments if pair[1] == key}
        self.enrolments -= mine
        fields: dict[str, JsonValue] = {
            "class_ids": texts(pair[0] for pair in mine),
            "erased_by": command.actor,
        }
        return tell("class.student.erased.v1", "student_id", key, fields)

    @staticmethod
    def of(
        owner: str,
        rows: dict[UUID, tuple[str, str, str]] | dict[UUID, tuple[str, str, str, str, str | None]],
    ) -> set[UUID]:
        """The ids of the rows of one owner."""
        return {key for key, row in rows.items() if row[0] == owner}

    def _refuse_duplicate(self, owner: str, key: UUID, email: str | None) -> None:
        others = {
            (row[4] or "").lower()
            for other, row in self.students.items()
            if row[0] == owner and other != key
        }
        refuse_if(email is not None and email.lower() in others, "DUPLICATE_EMAIL")

    def _refuse_strange(self, owner: str, class_ids: Iterable[UUID]) -> None:
        refuse_if(not set(class_ids) <= self.of(owner, self.classes), "CLASS_NOT_FOUND")


def refuse_if(broken: bool, code: str) -> None:
    if broken:
        raise RuleBrokenError(code)


def only(codes: list[str]) -> str:
    refuse_if(len(codes) > 1, "MULTIPLE_COURSE_ERROR")
    return codes[0]


def names(row: tuple[str, str, str, str, str | None]) -> dict[str, JsonValue]:
    """What events say of a student."""
    return dict(
        zip(("first_name", "last_name", "legal_full_name", "student_email"), row[1:], strict=True)
    )


def texts(ids: Iterable[UUID]) -> list[JsonValue]:
    return [str(each) for each in sorted(ids)]


def tell(kind: str, name: str, key: UUID, fields: dict[str, JsonValue]) -> Expected:
    return Expected(key, (kind, str(key), {name: str(key), **fields}))
