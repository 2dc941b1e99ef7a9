"""Statements around a scan of the topics: what it finds goes into a temporary table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    import uuid
    from contextlib import AbstractContextManager
    from datetime import datetime

    from psycopg import Copy

    from outbox_worker.stores import Connection


def list_topics(connection: Connection) -> list[str]:
    """The topics that occur in the table."""
    return [row[0] for row in connection.execute(sql.load("scan/list_topics")).fetchall()]


def create_found(connection: Connection) -> None:
    """Make the temporary table; the caller's transaction ends it."""
    connection.execute(sql.load("scan/create_found"))


def copy_found(connection: Connection) -> AbstractContextManager[Copy]:
    """A stream into the temporary table: event id, topic, partition, offset."""
    return connection.cursor().copy(sql.load("scan/copy_found"))


def analyze_found(connection: Connection) -> None:
    """Let the planner know what came."""
    connection.execute(sql.load("scan/analyze_found"))


def list_redriven(
    connection: Connection, event_ids: list[uuid.UUID]
) -> list[tuple[uuid.UUID, datetime]]:
    """Which of these were dead letters that were redriven, and when."""
    given = {"event_ids": event_ids}
    return connection.execute(sql.load("scan/list_redriven"), given).fetchall()
