"""What the loops say of their work, whether or not anybody listens."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from outbox_worker.position.row import EventRow

API: Final = "opentelemetry.trace"


class Span(Protocol):
    """One piece of work under way."""

    def end_as(self, outcome: str, failure: str = "") -> None:
        """Say what came of it; `failure` is the kind of an error, empty where there is none."""


class Spans(Protocol):
    """Begins spans; each is a block, which ends with the work."""

    def sending(self, rows: Sequence[EventRow], client: str) -> AbstractContextManager[Span]:
        """One Kafka transaction with these events, under this transactional id."""

    def executing(
        self, kind: str, command_id: UUID, correlation_id: UUID
    ) -> AbstractContextManager[Span]:
        """One attempt to execute a command; events that it writes carry its context."""

    def close(self) -> None:
        """Send what is left, for a short time."""


class _Nothing:
    def end_as(self, outcome: str, failure: str = "") -> None:
        """Nobody listens."""


NOTHING: Final = nullcontext[Span](_Nothing())


class NoSpans:
    """Nobody asked for traces."""

    def sending(self, rows: Sequence[EventRow], client: str) -> AbstractContextManager[Span]:
        """No span."""
        del rows, client
        return NOTHING

    def executing(
        self, kind: str, command_id: UUID, correlation_id: UUID
    ) -> AbstractContextManager[Span]:
        """No span."""
        del kind, command_id, correlation_id
        return NOTHING

    def close(self) -> None:
        """Nothing is left."""


def traceparent() -> str | None:
    """The W3C trace context of the span under way in this thread, if there is one.

    Also of one that a caller's own program began.
    """
    api = sys.modules.get(API)
    if api is None:
        return None
    found = api.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{int(found.trace_flags):02x}"
