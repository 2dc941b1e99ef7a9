"""Statements that compare the events with what a scan found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.settings import SHARDS
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outbox_worker.stores import Connection


class TopicVerdict(NamedTuple):
    """One topic: events of the table by what became of them, and faults; all are counts."""

    topic: str
    events: int
    found: int
    waiting: int
    gone: int
    lost: int
    duplicated: int
    out_of_order: int
    strangers: int
    written_twice: int = 0
    """Events whose id an earlier one of the topic has: the writer's doing."""
    parked: int = 0
    """Events that wait as dead letters."""
    discarded: int = 0
    """Dead letters that somebody gave up."""


class Reach(NamedTuple):
    """How far a shard is published: what `seen` shows, and to `cursor` what `upper` shows."""

    seen: str
    upper: str | None
    cursor: int | None


def judge_topics(
    connection: Connection, reach: Mapping[int, Reach], horizons: Mapping[str, datetime]
) -> list[TopicVerdict]:
    """Each topic of the table, by name; a shard without a reach has published nothing."""
    rows = connection.execute(
        sql.load("verify/judge_topics"),
        {
            "seen": [reach[n].seen if n in reach else None for n in range(SHARDS)],
            "upper": [reach[n].upper if n in reach else None for n in range(SHARDS)],
            "cursors": [reach[n].cursor if n in reach else None for n in range(SHARDS)],
            "topics": list(horizons),
            "horizons": list(horizons.values()),
        },
    ).fetchall()
    return [TopicVerdict(*row) for row in rows]
