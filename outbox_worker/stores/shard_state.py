"""Statements over what each shard does, as its worker says it, a second late."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection


class State(StrEnum):
    """What a worker says of a shard: the values of the column and of the metric's label."""

    UP_TO_DATE = "up_to_date"
    CATCHING_UP = "catching_up"
    HELD = "held"
    NO_POSITION = "no_position"
    REFUSING = "refusing"
    KAFKA_AWAY = "kafka_away"


class ShardState(NamedTuple):
    """A state, the event that cannot go out where one is held, why, and what a person can do."""

    state: State
    reason: str | None = None
    hint: str | None = None
    id: int | None = None
    event_id: str | None = None
    topic: str | None = None


def write_states(
    connection: Connection, worker: str, given: Mapping[int, ShardState], *, is_owner: bool
) -> None:
    """Keep them, and that the worker lives; without owning them only where nobody else does."""
    states = list(given.values())
    connection.execute(
        sql.load("shard_state/write_states"),
        {
            "shards": list(given),
            "states": [each.state.value for each in states],
            "ids": [each.id for each in states],
            "event_ids": [each.event_id for each in states],
            "topics": [each.topic for each in states],
            "reasons": [each.reason for each in states],
            "hints": [each.hint for each in states],
            "worker": worker,
            "is_owner": is_owner,
        },
    )


def stop(connection: Connection, worker: str) -> None:
    """Say of the worker's shards that it serves them no longer."""
    connection.execute(sql.load("shard_state/stop"), {"worker": worker})
