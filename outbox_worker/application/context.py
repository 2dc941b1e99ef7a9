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
class Tombstone:
    """No value for a key, in the topic of an event."""

    event: type[Event]
    key: str
    correlation_id: UUID


@dataclass(frozen=True, slots=True)
class Context:
    """One command on its way. Events are appended in order when the handler is done.

    A session of the worker finds names in `pg_catalog` only: statements name the schema of
    each table, type and function.
    """

    connection: Connection
    actor: str
    correlation_id: UUID
    now: datetime
    events: list[Event | Tombstone] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Have `event` written in this transaction, after those emitted before it."""
        self.events.append(event)

    def emit_tombstone(self, event: type[Event], key: str) -> None:
        """Have a record without a value written for `key` to the topic of `event`, in this order.

        A compacted topic then drops the earlier events of the key. Every reader of the topic must
        accept records without a value.
        """
        self.events.append(Tombstone(event, key, self.correlation_id))
