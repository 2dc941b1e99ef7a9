"""Events of an application: versioned models, written in their writer's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, JsonValue

from outbox_worker.stores import event as store
from outbox_worker.stores.event import Draft
from outbox_worker.tracing.spans import traceparent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.application.context import Connection, Tombstone


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its zone; it goes out in UTC."""


class Event(BaseModel, frozen=True):
    """What all events say. `TYPE` is the CloudEvents type, `KEY` the field that is the key.

    Within a version fields are only added. Of the fields that may be absent only those of
    `NULLABLE` are ever null when they are not.
    """

    TYPE: ClassVar[str]
    KEY: ClassVar[str]
    NULLABLE: ClassVar[frozenset[str]] = frozenset()

    correlation_id: UUID
    occurred_at: Moment

    @property
    def key(self) -> str:
        """The id of the aggregate: a subscriber gets its events in order."""
        return str(getattr(self, self.KEY))


class Problem(BaseModel, frozen=True):
    """Why a command was rejected."""

    code: str
    message: str
    details: dict[str, JsonValue]


class CommandRejected(Event, frozen=True):
    """A command of the inbox was not carried out; it changed nothing."""

    TYPE = "command.rejected.v1"
    KEY = "command_key"

    command_key: str
    command_id: UUID
    command_type: str
    error: Problem


def append(connection: Connection, events: Sequence[Event | Tombstone], prefix: str) -> None:
    """Write events to the outbox in the caller's transaction, in this order.

    The topic of each is `prefix` and its type.
    """
    write(connection, drafts_of(events, prefix))


def drafts_of(events: Sequence[Event | Tombstone], prefix: str) -> list[Draft]:
    """Events as they are written; each carries the context of the span under way, if there is one.

    The topic of each is `prefix` and its type.
    """
    context = traceparent()
    return [_draft(event, prefix, context) for event in events]


def write(connection: Connection, drafts: Sequence[Draft]) -> None:
    """Write drafts in the caller's transaction, in this order."""
    if len(drafts) == 1:
        store.insert_event(connection, drafts[0])
    elif drafts:
        store.insert_events(connection, drafts)


def _draft(event: Event | Tombstone, prefix: str, context: str | None) -> Draft:
    if isinstance(event, Event):
        kind, payload = event.TYPE, event.model_dump_json(exclude_unset=True).encode()
    else:
        kind, payload = event.event.TYPE, None
    headers = f'{{"correlation-id": "{event.correlation_id}"}}'
    if context is not None:
        headers = f'{headers[:-1]}, "traceparent": "{context}"}}'
    return Draft(f"{prefix}{kind}", event.key, kind, payload, headers)
