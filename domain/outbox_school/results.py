"""What came of a command: a closed set of frozen types. Errors are data."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel

from outbox_worker.application import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue


class ErrorCode(StrEnum):
    """Why a command was refused. Others hold on to these names."""

    VALIDATION_ERROR = "VALIDATION_ERROR"
    UNKNOWN_COMMAND_TYPE = "UNKNOWN_COMMAND_TYPE"
    NOT_FOUND = "NOT_FOUND"
    MULTIPLE_COURSE_ERROR = "MULTIPLE_COURSE_ERROR"
    COURSE_NOT_FOUND = "COURSE_NOT_FOUND"
    CLASS_IN_USE = "CLASS_IN_USE"
    CLASS_NOT_FOUND = "CLASS_NOT_FOUND"
    DUPLICATE_EMAIL = "DUPLICATE_EMAIL"
    BATCH_CONFLICT = "BATCH_CONFLICT"
    BATCH_NOT_REGULAR = "BATCH_NOT_REGULAR"
    ESSAY_NOT_IN_BATCH = "ESSAY_NOT_IN_BATCH"
    STUDENT_NOT_IN_CLASS = "STUDENT_NOT_IN_CLASS"
    ALREADY_CONFIRMED = "ALREADY_CONFIRMED"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class ClassResult(BaseModel, frozen=True):
    """A class was created, updated or deleted, or was as it should be already."""

    class_id: UUID


class StudentResult(BaseModel, frozen=True):
    """A student was created, updated or deleted, or was as it should be already."""

    student_id: UUID


class BatchResult(BaseModel, frozen=True):
    """A batch is registered, now or before; how many texts that came early got a slot, or none."""

    batch_id: UUID
    created: bool
    early_assigned: int = 0
    early_excess: int = 0


class ContentResult(BaseModel, frozen=True):
    """Where a text went; the same answer for a repeat, then with `created` false."""

    batch_id: UUID
    status: Literal["assigned", "excess", "pending"]
    essay_id: UUID | None = None
    reason: Literal["NO_AVAILABLE_SLOT"] | None = None
    created: bool


class FailureResult(BaseModel, frozen=True):
    """Whether a failed file used up a slot; `excess` where none was left."""

    batch_id: UUID
    status: Literal["failed", "excess", "pending"]
    essay_id: UUID | None = None
    created: bool


class EssayFault(BaseModel, frozen=True):
    """An essay of a suggestion that could not be kept, and why; the others were."""

    essay_id: UUID
    code: ErrorCode
    message: str


class SuggestionResult(BaseModel, frozen=True):
    """How many essays got a suggestion, which had one already or could not have one."""

    batch_id: UUID
    created: int
    known: int
    faults: list[EssayFault]


class ConfirmationResult(BaseModel, frozen=True):
    """How many essays were decided now; `completed` where the batch has none left."""

    batch_id: UUID
    decided: int
    completed: bool


Success: TypeAlias = (
    ClassResult
    | StudentResult
    | BatchResult
    | ContentResult
    | FailureResult
    | SuggestionResult
    | ConfirmationResult
)
Result: TypeAlias = Success | Refused


def strings(ids: Iterable[UUID]) -> list[JsonValue]:
    """Ids as JSON has them, in a stable order."""
    return [*sorted(map(str, ids))]
