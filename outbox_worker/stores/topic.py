"""Statements over what is known of the topics of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outbox_worker.stores import Connection


class Topic(NamedTuple):
    """A topic's id when a worker looked last, and when it was made again (None: never seen)."""

    topic: str
    topic_id: str
    made_again_at: datetime | None


def write_topics(connection: Connection, ids: Mapping[str, str]) -> int:
    """Keep the ids of topics by their names; how many of them are new."""
    given = {"topics": list(ids), "topic_ids": list(ids.values())}
    return connection.execute(sql.load("topic/write_topics"), given).rowcount


def list_topics(connection: Connection) -> list[Topic]:
    """What is known of each topic."""
    return [Topic(*row) for row in connection.execute(sql.load("topic/list_topics")).fetchall()]
