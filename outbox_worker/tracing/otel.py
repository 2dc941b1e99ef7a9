"""Spans through the API of OpenTelemetry, with its semantic conventions for messaging.

Imported only where somebody asked for traces: the packages are those of the extra `otel`.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_tracer,
)

from outbox_worker.position.row import HEADERS, TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from opentelemetry import trace

    from outbox_worker.position.row import EventRow

SCHEMA: Final = "https://opentelemetry.io/schemas/1.37.0"
"""The semantic conventions whose names stand here."""

MOST_LINKS: Final = 128
"""Links of one span: OpenTelemetry's default (`OTEL_SPAN_LINK_COUNT_LIMIT`)."""

CLOSE_S: Final = 0.5
"""How long the end of the worker waits for spans that are not sent yet."""

GIVEN: Final = re.compile(
    r'"traceparent": "(?!ff)[0-9a-f]{2}-'
    r'(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"'
)
"""The header `traceparent` (W3C Trace Context) as Postgres writes JSON."""

COMMANDS: Final = "outbox.command"


class OtelSpan:
    """A span, to which one says what came of its work."""

    def __init__(self, span: trace.Span) -> None:
        """Speak of `span`."""
        self._span = span

    def end_as(self, outcome: str, failure: str = "") -> None:
        """The outcome, and for a failure the status; texts of errors may hold values of rows."""
        self._span.set_attribute("outbox.outcome", outcome)
        if failure:
            self._span.set_attribute("error.type", failure)
            self._span.set_status(Status(StatusCode.ERROR))


class OtelSpans:
    """Begins spans of OpenTelemetry."""

    def __init__(self, version: str, shut_down: Callable[[], object] | None = None) -> None:
        """Use the global provider; `shut_down` sends what is left, if that is ours to do."""
        self._tracer = get_tracer("outbox_worker", version, schema_url=SCHEMA)
        self._shut_down = shut_down

    @contextmanager
    def sending(self, rows: Sequence[EventRow], client: str) -> Iterator[OtelSpan]:
        """A span of kind CLIENT: each event has a context of its own, which its writer gave."""
        topics = {row[TOPIC] for row in rows}
        one = next(iter(topics)) if len(topics) == 1 else ""
        attributes: dict[str, str | int] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.client.id": client,
            "messaging.batch.message_count": len(rows),
        }
        if one:
            attributes["messaging.destination.name"] = one
        with self._tracer.start_as_current_span(
            f"send {one}".strip(),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=list(_links(rows)),
            record_exception=False,
        ) as span:
            yield OtelSpan(span)

    @contextmanager
    def executing(self, kind: str, command_id: UUID, correlation_id: UUID) -> Iterator[OtelSpan]:
        """A span of kind CONSUMER; it says nothing of an error by itself."""
        with self._tracer.start_as_current_span(
            f"process {kind}",
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "outbox",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": COMMANDS,
                "messaging.message.id": str(command_id),
                "messaging.message.conversation_id": str(correlation_id),
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield OtelSpan(span)

    def close(self) -> None:
        """Send what is left for half a second: a collector that is away keeps no worker."""
        if self._shut_down is None:
            return
        thread = threading.Thread(target=self._shut_down, name="traces", daemon=True)
        thread.start()
        thread.join(CLOSE_S)


def _links(rows: Sequence[EventRow]) -> Iterator[Link]:
    """Of the first events that have one, the context in which they were written."""
    left = MOST_LINKS
    for row in rows:
        found = GIVEN.search(row[HEADERS]) if row[HEADERS] else None
        if found is None:
            continue
        trace_id, span_id, flags = (int(part, 16) for part in found.groups())
        yield Link(SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags)))
        left -= 1
        if not left:
            return
