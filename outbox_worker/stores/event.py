"""Statements that append events to the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import tuple_row

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg


class Draft(NamedTuple):
    """An event to be written; `payload` goes out as it stands, None as a tombstone.

    `headers` is a JSON object.
    """

    topic: str
    key: str
    type: str
    payload: bytes | None
    headers: str


def insert_event(connection: psycopg.Connection[Any], draft: Draft) -> None:
    """Append one event: what most commands tell, at half the cost of a list."""
    _execute(connection, "event/insert_event", draft._asdict())


def insert_events(connection: psycopg.Connection[Any], drafts: Sequence[Draft]) -> int:
    """Append events in this order; how many those were."""
    topics, keys, types, payloads, headers = map(list, zip(*drafts, strict=True))
    return _execute(
        connection,
        "event/insert_events",
        {
            "topics": topics,
            "keys": keys,
            "types": types,
            "payloads": payloads,
            "headers": headers,
        },
    ).rowcount


def _execute(
    connection: psycopg.Connection[Any], name: str, parameters: Mapping[str, object]
) -> psycopg.Cursor[tuple[Any, ...]]:
    """On the caller's connection, whatever its rows are."""
    return connection.cursor(row_factory=tuple_row).execute(sql.load(name), parameters)
