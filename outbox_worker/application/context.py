"""What a handler works with: the transaction, who asks, and the events to write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application.event import Event

Connection: TypeAlias = psycopg.Connection[Any]
"""Of psycopg, whatever its row factory: a caller's own may be another."""


@dataclass(frozen=True, slots=True)
class Context:
    """One command on its way. Events are appended in order when the handler is done."""

    connection: Connection
    actor: str
    correlation_id: UUID
    now: datetime
    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Have `event` written in this transaction, after those emitted before it."""
        self.events.append(event)
