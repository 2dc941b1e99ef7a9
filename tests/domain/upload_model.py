"""Batches as they should be, in memory: one command after the other, no database, no locks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from outbox_school.commands import ProvisionContent, RecordValidationFailure, RegisterBatch
from outbox_school.results import BatchResult, ContentResult, ErrorCode, FailureResult
from tests.domain.school_rows import refused
from tests.domain.uploads import ASSIGNED, COMPLETED, ERRORS, EXCESS

if TYPE_CHECKING:
    from uuid import UUID

    from pydantic import JsonValue

    from outbox_school.results import Result

Upload: TypeAlias = ProvisionContent | RecordValidationFailure
UploadCommand: TypeAlias = Upload | RegisterBatch
Event: TypeAlias = tuple[str, str, dict[str, Any]]
"""Type, key, payload without its time."""

COURSES = ("SV1", "SV2")


class Name(NamedTuple):
    """What makes an upload the same one."""

    kind: Literal["text", "file"]
    id: str


class Expected(NamedTuple):
    """What a command should have come to."""

    result: Result
    events: list[Event]


def name_of(upload: Upload) -> Name:
    if isinstance(upload, ProvisionContent):
        return Name("text", upload.text_storage_id)
    return Name("file", upload.file_upload_id)


@dataclass
class UploadModel:
    """One batch id: what came for it, in order of arrival, and who has which slot."""

    batch_id: UUID
    registration: RegisterBatch | None = None
    known: dict[Name, Upload] = field(default_factory=dict)
    taken: list[Name] = field(default_factory=list)

    def copy(self) -> UploadModel:
        return UploadModel(self.batch_id, self.registration, dict(self.known), list(self.taken))

    @property
    def essays(self) -> list[UUID]:
        return list(self.registration.essay_ids or []) if self.registration else []

    @property
    def is_full(self) -> bool:
        return self.registration is not None and len(self.taken) == len(self.essays)

    def status_of(self, name: Name) -> tuple[str, UUID | None]:
        """What became of an upload that is known."""
        if name in self.taken:
            status = "assigned" if name.kind == "text" else "failed"
            return status, self.essays[self.taken.index(name)]
        return ("excess" if self.registration else "pending"), None

    def apply(self, command: UploadCommand) -> Expected:
        """Carry out a command that is about this batch."""
        if isinstance(command, RegisterBatch):
            return self._register(command)
        name = name_of(command)
        created = name not in self.known
        events: list[Event] = []
        if created:
            self.known[name] = command
            if self.registration:
                events = self._place(name)
        return Expected(self._answer(name, created=created), events)

    def _answer(self, name: Name, *, created: bool) -> Result:
        status, essay_id = self.status_of(name)
        given: dict[str, Any] = {"batch_id": self.batch_id, "status": status, "created": created}
        if name.kind == "file":
            return FailureResult(**given, essay_id=essay_id)
        reason = "NO_AVAILABLE_SLOT" if status == "excess" else None
        return ContentResult(**given, essay_id=essay_id, reason=reason)

    def _register(self, command: RegisterBatch) -> Expected:
        if self.registration is not None:
            return Expected(self._again(command, self.registration), [])
        if command.class_id is not None:
            ids: list[JsonValue] = [str(command.class_id)]
            code = ErrorCode.CLASS_NOT_FOUND
            return Expected(refused(code, "The user has no such class", class_ids=ids), [])
        if command.course_code not in COURSES:
            codes: list[JsonValue] = [command.course_code]
            code = ErrorCode.COURSE_NOT_FOUND
            return Expected(refused(code, "There is no such course", course_codes=codes), [])
        self.registration = command
        events = [event for name in self.known for event in self._place(name, early=True)]
        placed = Counter(kind for kind, _, _ in events)
        if self.is_full:
            events += self._completion()
        result = BatchResult(
            batch_id=self.batch_id,
            created=True,
            early_assigned=placed[ASSIGNED],
            early_excess=placed[EXCESS],
        )
        return Expected(result, events)

    def _again(self, command: RegisterBatch, first: RegisterBatch) -> Result:
        fields: list[JsonValue]
        if command.user_id != first.user_id:
            fields = ["user_id"]
        else:
            # These are never given where the first one of the history has them.
            compared = ("course_code", "essay_ids", "class_id")
            fields = [name for name in compared if getattr(command, name) != getattr(first, name)]
        if not fields:
            return BatchResult(batch_id=self.batch_id, created=False)
        return refused(
            ErrorCode.BATCH_CONFLICT,
            f"This batch_id is registered with other content: {', '.join(map(str, fields))}",
            batch_id=str(self.batch_id),
            fields=fields,
        )

    def _place(self, name: Name, *, early: bool = False) -> list[Event]:
        """Give a new upload its slot, if there is one; returns its events."""
        if not self.is_full:
            self.taken.append(name)
        events = self._told(name)
        last = self.taken[-1:] == [name] and self.is_full
        return events + (self._completion() if last and not early else [])

    def _told(self, name: Name) -> list[Event]:
        upload = self.known[name]
        if not isinstance(upload, ProvisionContent):
            return []
        said = {
            "text_storage_id": upload.text_storage_id,
            "original_file_name": upload.original_file_name,
        }
        _, essay_id = self.status_of(name)
        if essay_id is None:
            said["reason"] = "NO_AVAILABLE_SLOT"
            return [self._event(EXCESS, upload, said)]
        said |= {"essay_id": str(essay_id), "file_upload_id": upload.file_upload_id}
        return [self._event(ASSIGNED, upload, said)]

    def _completion(self) -> list[Event]:
        assert self.registration is not None
        texts, failed = [], []
        for name, essay_id in zip(self.taken, self.essays, strict=True):
            upload = self.known[name]
            said: dict[str, Any] = {
                "essay_id": str(essay_id),
                "file_upload_id": upload.file_upload_id,
                "original_file_name": upload.original_file_name,
            }
            if isinstance(upload, ProvisionContent):
                texts.append(said | {"text_storage_id": upload.text_storage_id})
            else:
                said["validation_error_code"] = upload.validation_error_code
                failed.append(said | {"validation_error_detail": upload.validation_error_detail})
        codes = Counter(each["validation_error_code"] for each in failed)
        complete = {
            "class_id": None,
            "expected_count": len(self.essays),
            "provisioned_count": len(texts),
            "failed_count": len(failed),
            "course_code": self.registration.course_code,
            "user_id": self.registration.user_id,
            "class_type": "GUEST",
            "essays_for_processing": texts,
            "failed_files": failed,
        }
        summary = {"total": len(failed), "by_code": dict(codes), "critical": not texts}
        errors = {
            "user_id": self.registration.user_id,
            "failed_essays": failed,
            "error_summary": summary,
        }
        told = [self._event(COMPLETED, self.registration, complete)]
        return [*told, self._event(ERRORS, self.registration, errors)] if failed else told

    def _event(self, kind: str, source: UploadCommand, said: dict[str, Any]) -> Event:
        """With the correlation id of the command that it is about."""
        key = str(self.batch_id)
        return kind, key, {"batch_id": key, "correlation_id": str(source.correlation_id), **said}
