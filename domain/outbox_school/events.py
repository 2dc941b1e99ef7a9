"""The events for subscribers: each a versioned model, written in its writer's transaction.

Within a version fields are only added. The schemas for others are in `contracts/`.
"""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel

from outbox_worker.application import Event, Moment

TOPIC_PREFIX: Final = "huleedu."
"""Before the type of an event: its topic, where the setting says nothing else."""


class ClassCreated(Event, frozen=True):
    """A teacher made a class."""

    TYPE = "class.created.v1"
    KEY = "class_id"

    class_id: UUID
    class_designation: str
    course_codes: list[str]
    user_id: str


class ClassUpdated(Event, frozen=True):
    """A teacher changed a class; what did not change is absent."""

    TYPE = "class.updated.v1"
    KEY = "class_id"

    class_id: UUID
    class_designation: str | None = None
    course_codes: list[str] | None = None
    user_id: str


class ClassDeleted(Event, frozen=True):
    """A teacher deleted a class, and with it its enrolments."""

    TYPE = "class.deleted.v1"
    KEY = "class_id"

    class_id: UUID
    class_designation: str
    course_codes: list[str]
    user_id: str


class StudentCreated(Event, frozen=True):
    """A teacher made a student."""

    TYPE = "class.student.created.v1"
    KEY = "student_id"

    student_id: UUID
    first_name: str
    last_name: str
    legal_full_name: str
    student_email: str | None
    class_ids: list[UUID]
    created_by: str


class StudentUpdated(Event, frozen=True):
    """A teacher changed a student; what did not change is absent."""

    TYPE = "class.student.updated.v1"
    KEY = "student_id"
    NULLABLE = frozenset({"student_email"})

    student_id: UUID
    first_name: str | None = None
    last_name: str | None = None
    legal_full_name: str | None = None
    student_email: str | None = None
    added_class_ids: list[UUID] | None = None
    removed_class_ids: list[UUID] | None = None
    updated_by: str


class StudentDeleted(Event, frozen=True):
    """A teacher deleted a student, and with it its enrolments."""

    TYPE = "class.student.deleted.v1"
    KEY = "student_id"

    student_id: UUID
    first_name: str
    last_name: str
    legal_full_name: str
    student_email: str | None
    class_ids: list[UUID]
    deleted_by: str


class StudentErased(Event, frozen=True):
    """A teacher erased a student: a reader removes its names and address from what it keeps."""

    TYPE = "class.student.erased.v1"
    KEY = "student_id"

    student_id: UUID
    class_ids: list[UUID]
    erased_by: str


NO_AVAILABLE_SLOT: Final = "NO_AVAILABLE_SLOT"
"""Why a text is excess."""


class EssaySlotAssigned(Event, frozen=True):
    """A text has a slot of its batch."""

    TYPE = "els.essay.slot.assigned.v1"
    KEY = "batch_id"

    batch_id: UUID
    essay_id: UUID
    file_upload_id: str
    text_storage_id: str
    original_file_name: str


class ExcessContentProvisioned(Event, frozen=True):
    """A text came to a batch in which every slot is taken."""

    TYPE = "els.excess.content.provisioned.v1"
    KEY = "batch_id"

    batch_id: UUID
    text_storage_id: str
    original_file_name: str
    reason: Literal["NO_AVAILABLE_SLOT"]


class ProvisionedEssay(BaseModel, frozen=True):
    """A slot with its text."""

    essay_id: UUID
    text_storage_id: str
    file_upload_id: str
    original_file_name: str


class FailedFile(BaseModel, frozen=True):
    """A slot that was used up by a file which failed its validation."""

    essay_id: UUID
    file_upload_id: str
    original_file_name: str
    validation_error_code: str
    validation_error_detail: str | None


class BatchContentProvisioned(Event, frozen=True):
    """Every slot of a batch is taken; essays and failed files are in the order of the slots."""

    TYPE = "batch.content.provisioning.completed.v1"
    KEY = "batch_id"

    batch_id: UUID
    class_id: UUID | None
    expected_count: int
    provisioned_count: int
    failed_count: int
    course_code: str
    user_id: str
    class_type: Literal["GUEST", "REGULAR"]
    essays_for_processing: list[ProvisionedEssay]
    failed_files: list[FailedFile]


class ErrorSummary(BaseModel, frozen=True):
    """How many files failed, and of what; `critical` where no text is left."""

    total: int
    by_code: dict[str, int]
    critical: bool


class BatchValidationErrors(Event, frozen=True):
    """Some files of a batch that is complete failed their validation; in the order of the slots."""

    TYPE = "els.batch.validation.errors.v1"
    KEY = "batch_id"

    batch_id: UUID
    user_id: str
    failed_essays: list[FailedFile]
    error_summary: ErrorSummary


class ConfirmedAssociation(BaseModel, frozen=True):
    """Who wrote an essay; without a student nobody of the class did.

    `confidence` is that of the suggestion, null where this student was not the suggested one.
    """

    essay_id: UUID
    student_id: UUID | None
    student_name: str | None
    confidence: float | None
    method: Literal["human", "timeout"]
    validated_by: str
    validated_at: Moment


class AssociationsSummary(BaseModel, frozen=True):
    """How many essays have a student, how many have none, and how that was decided."""

    confirmed: int
    no_student: int
    by_method: dict[Literal["human", "timeout"], int]


class AssociationsConfirmed(Event, frozen=True):
    """The author of each text of a batch is decided.

    `timeout_triggered` where at least one was for lack of time.
    """

    TYPE = "class.student.associations.confirmed.v1"
    KEY = "batch_id"

    batch_id: UUID
    class_id: UUID
    course_code: str
    user_id: str
    associations: list[ConfirmedAssociation]
    timeout_triggered: bool
    summary: AssociationsSummary


class ReadyEssay(BaseModel, frozen=True):
    """A text that can be worked on."""

    essay_id: UUID
    text_storage_id: str
    student_id: UUID | None


class BatchEssaysReady(Event, frozen=True):
    """Nothing is left to do for a batch of a class; its essays are in the order of its slots."""

    TYPE = "els.batch.essays.ready.v1"
    KEY = "batch_id"

    batch_id: UUID
    class_id: UUID
    user_id: str
    ready_essays: list[ReadyEssay]
    course_code: str
    course_language: str
    class_type: Literal["GUEST", "REGULAR"]
    student_prompt_ref: str | None


EVENTS: Final[tuple[type[Event], ...]] = (
    ClassCreated,
    ClassUpdated,
    ClassDeleted,
    StudentCreated,
    StudentUpdated,
    StudentDeleted,
    StudentErased,
    EssaySlotAssigned,
    ExcessContentProvisioned,
    BatchContentProvisioned,
    BatchValidationErrors,
    AssociationsConfirmed,
    BatchEssaysReady,
)
"""Every event there is; `contracts/` is made from it."""
