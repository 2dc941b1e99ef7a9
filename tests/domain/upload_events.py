"""The events of a batch as they must stand in the outbox, every field of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.domain.rule_cases import CORRELATION
from tests.domain.school_rows import ANNA, WrittenEvent, number
from tests.domain.uploads import ASSIGNED, BATCH, COMPLETED, ERRORS, EXCESS, essay

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from pydantic import JsonValue


def expected_event(
    kind: str, correlation_id: UUID, payload: Mapping[str, JsonValue]
) -> WrittenEvent:
    return WrittenEvent(
        f"huleedu.{kind}",
        str(BATCH),
        kind,
        {
            "correlation_id": str(correlation_id),
            "occurred_at": "2030-05-17T12:00:00Z",
            "batch_id": str(BATCH),
            **payload,
        },
        {"correlation-id": str(correlation_id)},
    )


def slot_assigned(name: int, place: int, upload: int | None = None) -> WrittenEvent:
    """The text of this number, of the upload of its own number or this, got the slot."""
    return expected_event(
        ASSIGNED,
        number(1000 + name),
        {
            "essay_id": str(essay(place)),
            "file_upload_id": f"upload-{name if upload is None else upload}",
            "text_storage_id": f"text-{name}",
            "original_file_name": f"essay {name}.docx",
        },
    )


def excess_provisioned(name: int) -> WrittenEvent:
    """The text of this number found every slot taken."""
    return expected_event(
        EXCESS,
        number(1000 + name),
        {
            "text_storage_id": f"text-{name}",
            "original_file_name": f"essay {name}.docx",
            "reason": "NO_AVAILABLE_SLOT",
        },
    )


def failed_file(
    name: int, place: int, code: str = "EMPTY_CONTENT", detail: str | None = None
) -> dict[str, JsonValue]:
    return {
        "essay_id": str(essay(place)),
        "file_upload_id": f"upload-{name}",
        "original_file_name": f"essay {name}.docx",
        "validation_error_code": code,
        "validation_error_detail": detail,
    }


def completed(
    texts: Mapping[int, int],
    failures: list[dict[str, JsonValue]] | None = None,
    class_id: UUID | None = None,
) -> WrittenEvent:
    """Every slot is taken: by these texts, each with its place, and these failed files."""
    gone = failures or []
    return expected_event(
        COMPLETED,
        CORRELATION,
        {
            "class_id": None if class_id is None else str(class_id),
            "expected_count": len(texts) + len(gone),
            "provisioned_count": len(texts),
            "failed_count": len(gone),
            "course_code": "SV1",
            "user_id": ANNA,
            "class_type": "GUEST" if class_id is None else "REGULAR",
            "essays_for_processing": [
                {
                    "essay_id": str(essay(place)),
                    "text_storage_id": f"text-{name}",
                    "file_upload_id": f"upload-{name}",
                    "original_file_name": f"essay {name}.docx",
                }
                for name, place in texts.items()
            ],
            "failed_files": list(gone),
        },
    )


def validation_errors(
    failures: list[dict[str, JsonValue]], by_code: dict[str, JsonValue], *, critical: bool
) -> WrittenEvent:
    return expected_event(
        ERRORS,
        CORRELATION,
        {
            "user_id": ANNA,
            "failed_essays": list(failures),
            "error_summary": {"total": len(failures), "by_code": by_code, "critical": critical},
        },
    )
