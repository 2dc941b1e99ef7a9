"""A good payload for each type of command, and what is said of a bad one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from outbox_school.handle import parse
from outbox_school.results import ErrorCode
from outbox_worker.application import Envelope, Refused
from tests.domain.school_rows import number

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVELOPE: Final = Envelope(number(900), "anna", number(901))
ID: Final = str(number(1))
NAMES: Final = {"first_name": "Ada", "last_name": "Ek"}
CONTENT: Final = {
    "batch_id": ID,
    "text_storage_id": "t",
    "file_upload_id": "u",
    "original_file_name": "f.docx",
    "file_size_bytes": 1,
}

VALID: Final[Mapping[str, dict[str, Any]]] = {
    "CreateClass": {"name": "9B", "course_codes": ["SV1"]},
    "UpdateClass": {"class_id": ID, "name": "9B"},
    "DeleteClass": {"class_id": ID},
    "CreateStudent": {**NAMES, "email": "a@b.se", "class_ids": [ID]},
    "UpdateStudent": {"student_id": ID, **NAMES},
    "DeleteStudent": {"student_id": ID},
    "EraseStudent": {"student_id": ID, "tombstones": True},
    "RegisterBatch": {
        "batch_id": ID,
        "user_id": "anna",
        "course_code": "SV1",
        "expected_essay_count": 2,
    },
    "ProvisionContent": CONTENT,
    "RecordValidationFailure": {
        "batch_id": ID,
        "file_upload_id": "u",
        "original_file_name": "f.docx",
        "validation_error_code": "EMPTY_CONTENT",
    },
    "SuggestAssociations": {
        "batch_id": ID,
        "class_id": ID,
        "matches": [{"essay_id": ID, "suggestions": [{"student_id": ID, "confidence_score": 0.5}]}],
    },
    "ConfirmAssociations": {
        "batch_id": ID,
        "associations": [{"essay_id": ID, "student_id": ID, "confirmed": True}],
    },
}

NULL: Final = "may not be null; leave it out"
ENTITY: Final = "stands beside the payload, not in it"


def fault(kind: str, payload: str | bytes) -> tuple[str, str]:
    """Path and message of the only fault; they stand in the message of the error too."""
    refused = parse(kind, payload, ENVELOPE)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.VALIDATION_ERROR
    (only,) = errors(refused)
    assert refused.message == f"{only['path'] or 'payload'}: {only['message']}"
    return only["path"], only["message"]


def errors(refused: Refused) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", refused.details["errors"])
