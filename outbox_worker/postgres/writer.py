"""What a service calls to publish events and to ask for commands, beside the SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict, overload

from psycopg.types.json import Jsonb

from outbox_worker.stores import writer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from uuid import UUID

    import psycopg
    from typing_extensions import Unpack

Json: TypeAlias = "Mapping[str, Any] | list[Any] | tuple[Any, ...] | int | float | Jsonb"
Payload: TypeAlias = "Json | bytes | bytearray | memoryview | None"


class EventOptions(TypedDict, total=False):
    """What of an event may be left out."""

    event_id: UUID | None
    idempotency_key: str | None
    headers: Mapping[str, str] | None
    content_type: str | None


class CommandOptions(TypedDict, total=False):
    """What of a command may be left out."""

    command_id: UUID | None
    correlation_id: UUID | None


NO_EVENT_OPTIONS: Final[Mapping[str, object]] = dict.fromkeys(EventOptions.__annotations__)
NO_COMMAND_OPTIONS: Final[Mapping[str, object]] = dict.fromkeys(CommandOptions.__annotations__)


@overload
def publish(
    connection: psycopg.Connection[Any],
    *,
    topic: str,
    key: str | None,
    type: str,
    payload: Payload,
    **options: Unpack[EventOptions],
) -> UUID: ...
@overload
def publish(
    connection: psycopg.AsyncConnection[Any],
    *,
    topic: str,
    key: str | None,
    type: str,
    payload: Payload,
    **options: Unpack[EventOptions],
) -> Coroutine[Any, Any, UUID]: ...
def publish(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
    *,
    topic: str,
    key: str | None,
    type: str,  # noqa: A002  its name in SQL
    payload: Payload,
    **options: Unpack[EventOptions],
) -> UUID | Coroutine[Any, Any, UUID]:
    """Publish an event in the connection's transaction; its id, to be awaited where that is async.

    Bytes go out as they are, None is a tombstone, all else is JSON (`Jsonb(None)` is JSON's
    null). The caller commits. `TypeError` for a `str`, which may be JSON already or a text that
    is meant to become JSON, and for an option that there is not; what Postgres refuses is a
    `psycopg.Error`.
    """
    _see_that_no_text(payload)
    _see_that_known(options, NO_EVENT_OPTIONS)
    parameters: dict[str, object] = {
        "topic": topic,
        "key": key,
        "type": type,
        **NO_EVENT_OPTIONS,
        **options,
    }
    parameters["headers"] = _json(parameters["headers"])
    if isinstance(payload, bytes | bytearray | memoryview):
        return writer.publish_bytes(
            connection, {**parameters, "payload": payload, "schema_id": None}
        )
    return writer.publish(connection, {**parameters, "payload": _json(payload)})


@overload
def submit(
    connection: psycopg.Connection[Any],
    *,
    type: str,
    key: str,
    payload: Mapping[str, Any],
    actor: str,
    **options: Unpack[CommandOptions],
) -> UUID: ...
@overload
def submit(
    connection: psycopg.AsyncConnection[Any],
    *,
    type: str,
    key: str,
    payload: Mapping[str, Any],
    actor: str,
    **options: Unpack[CommandOptions],
) -> Coroutine[Any, Any, UUID]: ...
def submit(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
    *,
    type: str,  # noqa: A002  its name in SQL
    key: str,
    payload: Mapping[str, Any],
    actor: str,
    **options: Unpack[CommandOptions],
) -> UUID | Coroutine[Any, Any, UUID]:
    """Ask for a command in the connection's transaction; its id, to be awaited where that is async.

    The caller commits. A `command_id` that was submitted before makes a repetition harmless.
    `TypeError` for an option that there is not; what Postgres refuses is a `psycopg.Error`.
    """
    _see_that_known(options, NO_COMMAND_OPTIONS)
    parameters: dict[str, object] = {
        "type": type,
        "key": key,
        "actor": actor,
        **NO_COMMAND_OPTIONS,
        **options,
    }
    return writer.submit(connection, {**parameters, "payload": _json(payload)})


def _json(value: object) -> Jsonb | None:
    return value if value is None or isinstance(value, Jsonb) else Jsonb(value)


def _see_that_no_text(payload: object) -> None:
    if isinstance(payload, str):
        message = (
            "payload is a str: hand over the object that it stands for (json.loads), bytes "
            "(.encode()) to publish it as it is, or Jsonb(...) for a JSON string"
        )
        raise TypeError(message)


def _see_that_known(options: Mapping[str, object], known: Mapping[str, object]) -> None:
    if unknown := options.keys() - known.keys():
        message = f"unknown options: {', '.join(sorted(unknown))}"
        raise TypeError(message)
