"""What is true about classes, students and batches.

The domain runs in the transaction of its caller and writes what happened to
the outbox in that same transaction. It knows neither Kafka nor the worker.

    outcome = domain.handle(connection, domain.CreateClass(actor=..., name=..., ...))
    page = domain.reads.list_classes(connection, owner)
"""

from domain import commands, reads, results
from domain.commands import (
    AnyCommand,
    ConfirmAssociations,
    CreateClass,
    CreateStudent,
    DeleteClass,
    DeleteStudent,
    ProvisionContent,
    RecordValidationFailure,
    RegisterBatch,
    SuggestAssociations,
    UpdateClass,
    UpdateStudent,
)
from domain.events import TOPIC_PREFIX
from domain.handle import handle, parse
from domain.results import (
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
from domain.slots import IsolationLevelError
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
