"""One attempt to execute a command, as a span of a trace says it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.application import Application
    from outbox_worker.stores.command import Claimed
    from outbox_worker.tracing.spans import Span, Spans

UNKNOWN: Final = "unknown"
"""The label of all types that there are not: anybody may insert any."""


class UndoingError(Exception):
    """Raised inside a transaction to undo what a command wrote: nothing failed."""


@contextmanager
def attempt(spans: Spans, application: Application, claimed: Claimed) -> Iterator[Span]:
    """A block that executes `claimed`; of an error that leaves it the span has the class alone."""
    conversation = claimed.correlation_id or claimed.command_id
    kind = label_of_type(application, claimed.type)
    with spans.executing(kind, claimed.command_id, conversation) as span:
        try:
            yield span
        except UndoingError:
            raise
        except Exception as error:
            span.end_as("failed", type(error).__name__)
            raise


def label_of_type(application: Application, kind: str) -> str:
    """A type of the application by its name, and all others as one."""
    return kind if kind in application.types else UNKNOWN
