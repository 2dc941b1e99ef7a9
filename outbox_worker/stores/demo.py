"""Statements of the demonstration: a service that changes orders and says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sql

if TYPE_CHECKING:
    from outbox_worker.database import Connection


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be published; `payload` is JSON, None for a tombstone."""

    topic: str
    key: str
    type: str
    payload: str | None
    idempotency_key: str | None = None


def create_orders(connection: Connection) -> None:
    """Make the table of orders."""
    connection.execute(sql.load("demo/create_orders"))


def insert_order(connection: Connection, number: str) -> None:
    """Add an order."""
    connection.execute(sql.load("demo/insert_order"), {"number": number})


def change_order(connection: Connection, number: str) -> int:
    """Change an order; how often that was done."""
    row = connection.execute(sql.load("demo/change_order"), {"number": number}).fetchone()
    return 0 if row is None else int(row[0])


def publish(connection: Connection, draft: Draft) -> str:
    """Append an event; its id."""
    row = connection.execute(
        sql.load("demo/publish"),
        {
            "topic": draft.topic,
            "key": draft.key,
            "type": draft.type,
            "payload": draft.payload,
            "idempotency_key": draft.idempotency_key,
        },
    ).fetchone()
    return "" if row is None else str(row[0])
