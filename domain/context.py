"""What a handler works with: the caller's connection, who asks, and the events to tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.events import Event

Connection: TypeAlias = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Context:
    """One command on its way. Events are appended in order when the handler is done."""

    connection: Connection
    actor: str
    correlation_id: UUID
    now: datetime
    events: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        """Have `event` written in this transaction, after those told before it."""
        self.events.append(event)
