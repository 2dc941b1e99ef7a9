"""A shard's position with its batch counter, as Kafka's offsets and the mirror keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import TopicPartition

from outbox_worker.relay.codec import decode, encode
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.stores.mirror import Written

if TYPE_CHECKING:
    from outbox_worker.relay.position import Position
    from outbox_worker.stores.mirror import Mirrored


@dataclass(frozen=True, slots=True)
class Stored:
    """A shard's position, and how many batches led to it: of two the higher is the later."""

    batch: int
    position: Position


def from_offset(place: TopicPartition) -> Stored | None:
    """What a group's offset says, None where it has none.

    `UnreadablePositionError` where something else than a worker committed it.
    """
    if place.offset < 0:
        return None
    return Stored(place.offset, decode(place.metadata or ""))


def as_offset(shard: int, stored: Stored, *, is_new: bool = False) -> TopicPartition:
    """What a group keeps; `PositionTooLargeError`. For `is_new` see `encode`."""
    text = encode(stored.position, is_new=is_new)
    return TopicPartition(ANCHOR_TOPIC, shard, stored.batch, text)


def from_mirror(row: Mirrored) -> Stored:
    """What a row of the mirror says."""
    return Stored(row.batch, decode(row.position))


def as_row(shard: int, stored: Stored) -> Written:
    """What the mirror keeps, with the parts that SQL looks at; `PositionTooLargeError`."""
    position = stored.position
    backlog = position.backlog
    return Written(
        shard,
        stored.batch,
        encode(position),
        str(position.seen),
        None if backlog is None else str(backlog.upper),
        None if backlog is None else backlog.cursor,
        position.floor,
        position.top and position.top.id,
        position.top and position.top.xid,
    )
