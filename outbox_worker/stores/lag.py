"""Statements about what is not published yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.database import Connection


class ShardLag(NamedTuple):
    """A shard as the mirror knows it; None where it was never published."""

    shard: int
    events: int
    seconds: float
    position_time: datetime | None
    worker: str | None
    group_name: str | None
    position_seconds: float | None


def list_lag(connection: Connection) -> list[ShardLag]:
    """All 16 shards: events not yet published, age of the oldest in seconds, position, owner."""
    return [ShardLag(*row) for row in connection.execute(sql.load("lag/list_lag")).fetchall()]
