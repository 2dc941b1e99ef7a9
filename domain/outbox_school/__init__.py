"""What is true about classes, students and batches.

The domain runs in the transaction of its caller and writes what happened to
the outbox in that same transaction. It knows neither Kafka nor the worker.

    outcome = outbox_school.handle(connection, outbox_school.CreateClass(actor=..., name=..., ...))
    page = outbox_school.reads.list_classes(connection, owner)
"""

from outbox_school import commands, reads, results
from outbox_school.commands import (
    AnyCommand,
    ConfirmAssociations,
    CreateClass,
    CreateStudent,
    DeleteClass,
    DeleteStudent,
    EraseStudent,
    ProvisionContent,
    RecordValidationFailure,
    RegisterBatch,
    SuggestAssociations,
    UpdateClass,
    UpdateStudent,
)
from outbox_school.events import TOPIC_PREFIX
from outbox_school.handle import handle, parse
from outbox_school.results import (
    BatchResult,
    ClassResult,
    ConfirmationResult,
    ContentResult,
    ErrorCode,
    FailureResult,
    Result,
    StudentResult,
    SuggestionResult,
)
from outbox_school.slots import IsolationLevelError
from outbox_worker.application import Envelope, Refused

__all__ = [
    "TOPIC_PREFIX",
    "AnyCommand",
    "BatchResult",
    "ClassResult",
    "ConfirmAssociations",
    "ConfirmationResult",
    "ContentResult",
    "CreateClass",
    "CreateStudent",
    "DeleteClass",
    "DeleteStudent",
    "Envelope",
    "EraseStudent",
    "ErrorCode",
    "FailureResult",
    "IsolationLevelError",
    "ProvisionContent",
    "RecordValidationFailure",
    "Refused",
    "RegisterBatch",
    "Result",
    "StudentResult",
    "SuggestAssociations",
    "SuggestionResult",
    "UpdateClass",
    "UpdateStudent",
    "commands",
    "handle",
    "parse",
    "reads",
    "results",
]
