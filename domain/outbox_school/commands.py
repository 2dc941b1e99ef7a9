"""What can be asked for: each command a frozen model that refuses what it does not know.

The type of a command is the name of its model. In the inbox the payload holds the
fields of the command; actor, command_id and correlation_id are columns.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from outbox_school.texts import an_email, trimmed, without_nul
from outbox_worker.application import Actor, Command, PlainText

MOST_CLASSES: Final = 1_000
"""Classes that one command may name."""

MOST_ESSAYS: Final = 1_000
"""Essays of one batch."""

LARGEST_FILE: Final = 2**40
"""Bytes; a bound that catches nonsense."""


Trimmed = BeforeValidator(trimmed)
ClassName = Annotated[
    str, Trimmed, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), PlainText
]
PersonName = Annotated[
    str, Trimmed, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), PlainText
]
LegalName = Annotated[
    str, Trimmed, StringConstraints(strip_whitespace=True, min_length=1, max_length=511), PlainText
]
CourseCode = Annotated[
    str, Trimmed, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), PlainText
]
Email = Annotated[
    str,
    Trimmed,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=320),
    AfterValidator(an_email),
]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255), PlainText]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=255), PlainText]
Remark = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(without_nul)]
FileSize = Annotated[int, Field(ge=0, le=LARGEST_FILE)]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{32}$")]
ClassIds = Annotated[list[UUID], Field(max_length=MOST_CLASSES)]
CourseCodes = Annotated[list[CourseCode], Field(min_length=1, max_length=100)]


class CreateClass(Command, frozen=True):
    """A class with exactly one course, although a list is taken."""

    class_id: UUID | None = None
    name: ClassName
    course_codes: CourseCodes


class UpdateClass(Command, frozen=True):
    """Only what is given changes."""

    class_id: UUID
    name: ClassName | None = None
    course_codes: CourseCodes | None = None

    @model_validator(mode="after")
    def _something_is_given(self) -> Self:
        if self.name is None and self.course_codes is None:
            message = "give name or course_codes: nothing would change"
            raise ValueError(message)
        return self


class DeleteClass(Command, frozen=True):
    """Its enrolments go with it."""

    class_id: UUID


class CreateStudent(Command, frozen=True):
    """A student, enrolled in classes of the same owner."""

    NULLABLE = Command.NULLABLE | {"email", "legal_full_name"}

    student_id: UUID | None = None
    first_name: PersonName
    last_name: PersonName
    legal_full_name: LegalName | None = None
    email: Email | None = None
    class_ids: ClassIds = Field(default=[])


class UpdateStudent(Command, frozen=True):
    """Only what is given changes; a null e-mail address clears it."""

    NULLABLE = Command.NULLABLE | {"email"}

    student_id: UUID
    first_name: PersonName | None = None
    last_name: PersonName | None = None
    legal_full_name: LegalName | None = None
    email: Email | None = None
    add_class_ids: ClassIds = Field(default=[])
    remove_class_ids: ClassIds = Field(default=[])

    @model_validator(mode="after")
    def _something_is_given(self) -> Self:
        if not self.model_fields_set - Command.model_fields.keys() - {"student_id"}:
            message = "give what changes: nothing would"
            raise ValueError(message)
        return self

    @field_validator("remove_class_ids")
    @classmethod
    def _not_added_too(cls, class_ids: list[UUID], info: ValidationInfo) -> list[UUID]:
        both = set(class_ids).intersection(info.data.get("add_class_ids", ()))
        if both:
            message = f"may not share an id with add_class_ids: {', '.join(sorted(map(str, both)))}"
            raise ValueError(message)
        return class_ids


class DeleteStudent(Command, frozen=True):
    """Its enrolments go with it; what was confirmed of its essays stays."""

    student_id: UUID


class EraseStudent(Command, frozen=True):
    """As deletion, and its name goes from what was confirmed; also after deletion.

    `tombstones` also writes a record without a value to each topic that has the student's id as
    key and its name in the payload: for compacted topics.
    """

    student_id: UUID
    tombstones: bool = False


class RegisterBatch(Command, frozen=True):
    """A batch and its slots, in the order of the list; a count without ids makes that many."""

    NULLABLE = Command.NULLABLE | {"class_id", "org_id", "student_prompt_ref"}

    batch_id: UUID
    user_id: Actor
    course_code: CourseCode
    essay_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_ESSAYS)] | None = None
    expected_essay_count: Annotated[int, Field(ge=1, le=MOST_ESSAYS)] | None = None
    class_id: UUID | None = None
    org_id: ExternalId | None = None
    student_prompt_ref: ExternalId | None = None

    @field_validator("essay_ids")
    @classmethod
    def _each_once(cls, ids: list[UUID]) -> list[UUID]:
        if len(set(ids)) < len(ids):
            message = "holds an id twice"
            raise ValueError(message)
        return ids

    @field_validator("expected_essay_count")
    @classmethod
    def _agrees_with_the_ids(cls, count: int, info: ValidationInfo) -> int:
        ids = info.data.get("essay_ids")
        if ids is not None and len(ids) != count:
            message = f"is {count}, but there are {len(ids)} essay_ids"
            raise ValueError(message)
        return count

    @model_validator(mode="after")
    def _essays_are_given(self) -> Self:
        if self.essay_ids is None and self.expected_essay_count is None:
            message = "give essay_ids or expected_essay_count"
            raise ValueError(message)
        return self

    @property
    def count(self) -> int:
        """How many essays are expected."""
        return self.expected_essay_count or len(self.essay_ids or ())


class ProvisionContent(Command, frozen=True):
    """A text that wants a slot of its batch."""

    NULLABLE = Command.NULLABLE | {"content_md5", "raw_file_storage_id"}

    batch_id: UUID
    text_storage_id: ExternalId
    file_upload_id: ExternalId
    original_file_name: FileName
    file_size_bytes: FileSize
    content_md5: Md5 | None = None
    raw_file_storage_id: ExternalId | None = None


FailureCode = Literal[
    "EMPTY_CONTENT",
    "CONTENT_TOO_SHORT",
    "CONTENT_TOO_LONG",
    "RAW_STORAGE_FAILED",
    "TEXT_EXTRACTION_FAILED",
    "ENCRYPTED_FILE_UNSUPPORTED",
    "UNKNOWN_VALIDATION_ERROR",
]


class RecordValidationFailure(Command, frozen=True):
    """A file that will never be a text; it uses up one slot."""

    NULLABLE = Command.NULLABLE | {
        "validation_error_detail",
        "raw_file_storage_id",
        "file_size_bytes",
    }

    batch_id: UUID
    file_upload_id: ExternalId
    original_file_name: FileName
    validation_error_code: FailureCode
    validation_error_detail: Remark | None = None
    raw_file_storage_id: ExternalId | None = None
    file_size_bytes: FileSize | None = None


class Suggestion(BaseModel, frozen=True, extra="forbid"):
    """A student who may have written an essay, and how sure that is."""

    student_id: UUID
    confidence_score: Annotated[float, Field(ge=0, le=1)]
    match_reasons: Annotated[list[Remark], Field(max_length=100)] = Field(default=[])


class Match(BaseModel, frozen=True, extra="forbid"):
    """What was found out about one essay."""

    essay_id: UUID
    suggestions: Annotated[list[Suggestion], Field(max_length=100)] = Field(default=[])
    no_match_reason: Remark | None = None


class SuggestAssociations(Command, frozen=True):
    """Who may have written the essays of a batch; the first suggestion for an essay stays."""

    batch_id: UUID
    class_id: UUID
    matches: Annotated[list[Match], Field(min_length=1, max_length=MOST_ESSAYS)]


class Decision(BaseModel, frozen=True, extra="forbid"):
    """Who wrote one essay: the student when `confirmed`, otherwise nobody of the class."""

    essay_id: UUID
    student_id: UUID | None = None
    confirmed: bool

    @property
    def author(self) -> UUID | None:
        """The student, None where the teacher says that it is none."""
        return self.student_id if self.confirmed else None


class ConfirmAssociations(Command, frozen=True):
    """The teacher's decisions."""

    batch_id: UUID
    associations: Annotated[list[Decision], Field(min_length=1, max_length=MOST_ESSAYS)]

    @field_validator("associations")
    @classmethod
    def _each_essay_once(cls, associations: list[Decision]) -> list[Decision]:
        if len({each.essay_id for each in associations}) < len(associations):
            message = "names an essay twice"
            raise ValueError(message)
        return associations


AnyCommand: TypeAlias = (
    CreateClass
    | UpdateClass
    | DeleteClass
    | CreateStudent
    | UpdateStudent
    | DeleteStudent
    | EraseStudent
    | RegisterBatch
    | ProvisionContent
    | RecordValidationFailure
    | SuggestAssociations
    | ConfirmAssociations
)
"""Every command there is."""
