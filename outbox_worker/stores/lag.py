"""Statements about what is not published yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.stores import Connection


class ShardLag(NamedTuple):
    """A shard as the mirror knows it, None where it was never published, and its state.

    `reason` and `hint` say why it does not move, `event` and `topic` for which event it is held,
    `state_seconds` for how long it has been so; None where there is none.
    """

    shard: int
    events: int
    seconds: float
    position_time: datetime | None
    worker: str | None
    group_name: str | None
    position_seconds: float | None
    state: str
    reason: str | None
    hint: str | None
    event: str | None
    topic: str | None
    state_seconds: float | None


class MirroredPosition(NamedTuple):
    """Where a shard stands as the mirror knows it; None where it was never published."""

    shard: int
    position_time: datetime | None
    worker: str | None
    group_name: str | None
    position_seconds: float | None


def list_lag(connection: Connection) -> list[ShardLag]:
    """All 16 shards: events not yet published, age of the oldest in seconds, position, state."""
    return [ShardLag(*row) for row in connection.execute(sql.load("lag/list_lag")).fetchall()]


def list_mirrored(connection: Connection) -> list[MirroredPosition]:
    """All 16 shards: position and owner. Looks at no event, so that it always answers at once."""
    return [
        MirroredPosition(*row)
        for row in connection.execute(sql.load("lag/list_mirrored")).fetchall()
    ]
