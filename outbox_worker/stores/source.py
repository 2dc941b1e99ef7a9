"""Statements over the CloudEvents sources that the owner gave to logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


def list_sources(connection: Connection) -> dict[str, str]:
    """The source of each login that has one of its own."""
    return dict(connection.execute(sql.load("source/list_sources")).fetchall())
