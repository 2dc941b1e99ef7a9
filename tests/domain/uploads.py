"""Batches, texts and failed files by numbers, and what is left behind by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from outbox_school.commands import ProvisionContent, RecordValidationFailure, RegisterBatch
from outbox_school.results import BatchResult, ContentResult, FailureResult
from tests.domain.rule_cases import CORRELATION
from tests.domain.school_rows import ANNA, number

if TYPE_CHECKING:
    from outbox_school.commands import FailureCode
    from tests.domain.school_rows import Connection

BATCH: Final = number(1)
SERVICE: Final = "uploads"
ASSIGNED: Final = "els.essay.slot.assigned.v1"
EXCESS: Final = "els.excess.content.provisioned.v1"
COMPLETED: Final = "batch.content.provisioning.completed.v1"
ERRORS: Final = "els.batch.validation.errors.v1"

READ_BATCHES: Final = (
    "SELECT batch_id, owner, course_code, class_type, class_id, org_id, student_prompt_ref, "
    "expected_count, correlation_id, provisioned_at, completed_at FROM school.batch"
)
READ_SLOTS: Final = (
    "SELECT batch_id, position, essay_id, status, text_storage_id, file_upload_id, taken_at "
    "FROM school.slot"
)
READ_CONTENT: Final = "SELECT batch_id, text_storage_id, status, essay_id FROM school.content"
READ_FAILURES: Final = "SELECT batch_id, file_upload_id, status, essay_id FROM school.failure"
READ_TALLY: Final = (
    "SELECT class_type, sum(active)::integer, sum(completed)::integer FROM school.batch_tally "
    "GROUP BY class_type HAVING sum(active) <> 0 OR sum(completed) <> 0"
)


class Uploads(NamedTuple):
    """All rows of batches, and the numbers of batches."""

    batches: frozenset[tuple[Any, ...]]
    slots: frozenset[tuple[Any, ...]]
    content: frozenset[tuple[Any, ...]]
    failures: frozenset[tuple[Any, ...]]
    tally: frozenset[tuple[Any, ...]]


def uploads(connection: Connection) -> Uploads:
    """What is in the tables now."""
    questions = (READ_BATCHES, READ_SLOTS, READ_CONTENT, READ_FAILURES, READ_TALLY)
    return Uploads(*(frozenset(connection.execute(each)) for each in questions))


def essay(place: int) -> UUID:
    """The id of the essay in the slot at this place, where the ids were given."""
    return UUID(int=100 + place)


def registration(count: int = 2, batch_id: UUID = BATCH, **more: Any) -> RegisterBatch:  # noqa: ANN401  any field
    """A batch of Anna's with so many essays."""
    given = {
        "actor": SERVICE,
        "correlation_id": CORRELATION,
        "batch_id": batch_id,
        "user_id": ANNA,
        "course_code": "SV1",
        "essay_ids": [essay(place) for place in range(1, count + 1)],
        **more,
    }
    return RegisterBatch.model_validate({k: v for k, v in given.items() if v is not None})


def text(name: int, batch_id: UUID = BATCH, **more: Any) -> ProvisionContent:  # noqa: ANN401  any field
    """A text, with the correlation id of its own number."""
    given = {
        "actor": SERVICE,
        "correlation_id": number(1000 + name),
        "batch_id": batch_id,
        "text_storage_id": f"text-{name}",
        "file_upload_id": f"upload-{name}",
        "original_file_name": f"essay {name}.docx",
        "file_size_bytes": 1_000 + name,
        **more,
    }
    return ProvisionContent.model_validate(given)


def broken(
    name: int,
    batch_id: UUID = BATCH,
    code: FailureCode = "EMPTY_CONTENT",
    **more: Any,  # noqa: ANN401  any field
) -> RecordValidationFailure:
    """A file that failed, with the correlation id of its own number."""
    given = {
        "actor": SERVICE,
        "correlation_id": number(1000 + name),
        "batch_id": batch_id,
        "file_upload_id": f"upload-{name}",
        "original_file_name": f"essay {name}.docx",
        "validation_error_code": code,
        **more,
    }
    return RecordValidationFailure.model_validate(given)


def registered(*, created: bool = True, assigned: int = 0, excess: int = 0) -> BatchResult:
    return BatchResult(
        batch_id=BATCH, created=created, early_assigned=assigned, early_excess=excess
    )


def assigned(place: int, *, created: bool = True) -> ContentResult:
    """The answer to a text that is in the slot at this place."""
    return ContentResult(batch_id=BATCH, status="assigned", essay_id=essay(place), created=created)


def excess(*, created: bool = True) -> ContentResult:
    return ContentResult(
        batch_id=BATCH, status="excess", reason="NO_AVAILABLE_SLOT", created=created
    )


def pending(*, created: bool = True) -> ContentResult:
    return ContentResult(batch_id=BATCH, status="pending", created=created)


def failed(place: int, *, created: bool = True) -> FailureResult:
    """The answer to a failed file that used up the slot at this place."""
    return FailureResult(batch_id=BATCH, status="failed", essay_id=essay(place), created=created)


def failed_excess(*, created: bool = True) -> FailureResult:
    return FailureResult(batch_id=BATCH, status="excess", created=created)


def failed_early(*, created: bool = True) -> FailureResult:
    return FailureResult(batch_id=BATCH, status="pending", created=created)
