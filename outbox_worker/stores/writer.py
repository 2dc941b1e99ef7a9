"""Statements of a writer: the calls of the schema, on a connection of either kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

AnyConnection: TypeAlias = "psycopg.Connection[Any] | psycopg.AsyncConnection[Any]"
Id: TypeAlias = "UUID | Coroutine[Any, Any, UUID]"
"""At once, or on an asynchronous connection to be awaited."""


def publish(connection: AnyConnection, parameters: Mapping[str, object]) -> Id:
    """Publish JSON in the caller's transaction; the event's id."""
    return _ask(connection, sql.load("writer/publish"), parameters)


def publish_bytes(connection: AnyConnection, parameters: Mapping[str, object]) -> Id:
    """Publish bytes in the caller's transaction; the event's id."""
    return _ask(connection, sql.load("writer/publish_bytes"), parameters)


def submit(connection: AnyConnection, parameters: Mapping[str, object]) -> Id:
    """Ask for a command in the caller's transaction; its id."""
    return _ask(connection, sql.load("writer/submit"), parameters)


def _ask(connection: AnyConnection, statement: bytes, parameters: Mapping[str, object]) -> Id:
    """By a cursor of our own: the connection's may have other rows and other placeholders."""
    if isinstance(connection, psycopg.AsyncConnection):
        return _ask_async(connection, statement, parameters)
    with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
        return _only(cursor.execute(statement, parameters).fetchone())


async def _ask_async(
    connection: psycopg.AsyncConnection[Any], statement: bytes, parameters: Mapping[str, object]
) -> UUID:
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement, parameters)
        return _only(await cursor.fetchone())


def _only(row: tuple[Any, ...] | None) -> UUID:
    if row is None:
        message = "the function of the schema returned no row"
        raise psycopg.DataError(message)
    return UUID(str(row[0]))
