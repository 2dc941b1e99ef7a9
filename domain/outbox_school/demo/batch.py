"""A batch of essays: what a teacher's services ask for until it is complete.

All its commands have the batch as their key: they run in the order in which they were
submitted, whoever executes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from outbox_school.demo.classroom import COURSE, TEACHER
from outbox_worker.application import demo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from outbox_school.stores.demo import Pupil, Slot

ESSAYS: Final = 6

COMMANDS: Final = 11
"""Registration, 7 texts (one of them twice), a file that failed, suggestion, decision."""

EVENTS: Final = 10
"""The events of the demo: 5 texts assigned, 1 too many, complete, errors, authors, ready."""

SCORE: Final = 0.93


class Batch:
    """The requests of one batch of a class."""

    def __init__(self, class_id: UUID) -> None:
        """Draw an id; nothing is registered."""
        self.batch_id = uuid4()
        self._class_id = class_id

    def text(self, number: int) -> demo.Request:
        """A text that wants a slot; asked for twice these are two commands about one text."""
        return self._request(
            "ProvisionContent",
            {
                "text_storage_id": f"text-{number}",
                "file_upload_id": f"upload-{number}",
                "original_file_name": file_name(number),
                "file_size_bytes": 18_000 + number,
            },
        )

    def failure(self, number: int) -> demo.Request:
        """A file without a word in it."""
        return self._request(
            "RecordValidationFailure",
            {
                "file_upload_id": f"upload-{number}",
                "original_file_name": file_name(number),
                "validation_error_code": "EMPTY_CONTENT",
            },
        )

    def registration(self) -> demo.Request:
        """Of a class, so that somebody has to say who wrote what (REGULAR)."""
        return self._request(
            "RegisterBatch",
            {
                "user_id": TEACHER,
                "course_code": COURSE,
                "expected_essay_count": ESSAYS,
                "class_id": str(self._class_id),
            },
        )

    def suggestion(self, essays: Sequence[Slot], pupils: Sequence[Pupil]) -> demo.Request:
        """A name was found in each text but the last."""
        matches: list[dict[str, Any]] = [
            {
                "essay_id": str(essay.essay_id),
                "suggestions": [
                    {
                        "student_id": str(pupil.student_id),
                        "confidence_score": SCORE,
                        "match_reasons": ["name in the header"],
                    }
                ],
            }
            for essay, pupil in zip(essays[:-1], pupils, strict=False)
        ]
        unknown = {"essay_id": str(essays[-1].essay_id), "no_match_reason": "no name in it"}
        payload = {"class_id": str(self._class_id), "matches": [*matches, unknown]}
        return self._request("SuggestAssociations", payload)

    def decision(self, essays: Sequence[Slot], pupils: Sequence[Pupil]) -> demo.Request:
        """The teacher's: the suggestions are right, and the last one is known by the hand."""
        associations = [
            {
                "essay_id": str(essay.essay_id),
                "student_id": str(pupil.student_id),
                "confirmed": True,
            }
            for essay, pupil in zip(essays, pupils, strict=False)
        ]
        return self._request("ConfirmAssociations", {"associations": associations})

    def _request(self, type_: str, payload: Mapping[str, Any]) -> demo.Request:
        return demo.Request(
            type_, str(self.batch_id), {"batch_id": str(self.batch_id), **payload}, TEACHER
        )


def file_name(number: int) -> str:
    """Of an essay's file."""
    return f"essay-{number}.docx"
