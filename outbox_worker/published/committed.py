"""A shard's position with its batch counter, as Kafka's offsets and the mirror keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import TopicPartition

from outbox_worker.position.codec import UnreadablePositionError, decode, encode
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.stores.mirror import Written

if TYPE_CHECKING:
    from outbox_worker.position.position import Position
    from outbox_worker.stores.mirror import Mirrored

COUNTED: Final = "3"
"""The form in which a group keeps a position: the counter, a colon, the position as the codec
writes it. A program that does not know it refuses it as of another version."""

END: Final = 0
"""The offset of every position. It is the end of a partition that is always empty, so that no tool
shows a lag of the workers' group; what waits, only the table can say."""


@dataclass(frozen=True, slots=True)
class CommittedPosition:
    """A shard's position, and how many batches led to it: of two the higher is the later."""

    batch: int
    position: Position


def from_offset(place: TopicPartition) -> CommittedPosition | None:
    """What a group's offset says, None where it has none.

    `UnreadablePositionError` where something else than a worker committed it.
    """
    if place.offset < 0:
        return None
    text = place.metadata or ""
    if not text.startswith(COUNTED):
        # Of a version whose offsets were the counters.
        return CommittedPosition(place.offset, decode(text))
    batch, colon, position = text[len(COUNTED) :].partition(":")
    if not (colon and batch.isdecimal()):
        raise UnreadablePositionError(text)
    return CommittedPosition(int(batch), decode(position))


def as_offset(shard: int, stored: CommittedPosition, *, is_new: bool = False) -> TopicPartition:
    """What a group keeps; `PositionTooLargeError`. For `is_new` see `encode`."""
    text = f"{COUNTED}{stored.batch}:{encode(stored.position, is_new=is_new)}"
    return TopicPartition(ANCHOR_TOPIC, shard, END, text)


def from_mirror(row: Mirrored) -> CommittedPosition:
    """What a row of the mirror says."""
    return CommittedPosition(row.batch, decode(row.position))


def as_row(shard: int, stored: CommittedPosition) -> Written:
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
        position.ledger,
    )
