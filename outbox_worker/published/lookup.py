"""Where the shards stand, asked from outside the group of workers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.kafka.admin import unreachable
from outbox_worker.kafka.config import reader_config
from outbox_worker.position.codec import UnreadablePositionError
from outbox_worker.published.committed import from_mirror, from_offset
from outbox_worker.published.offsets import PositionReader
from outbox_worker.settings import KAFKA_CALL_S, SHARDS
from outbox_worker.stores import mirror
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import TopicPartition

    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection

PENDING_S: Final = 30.0
"""A dead worker's transaction holds its positions for its 10 s and the broker's sweep, 10 s."""

WAIT_S: Final = 0.5
TIMED_OUT: Final = KafkaError._TIMED_OUT  # noqa: SLF001  librdkafka's own code


def of_group(
    settings: Settings, group: str, *, is_stable: bool = True
) -> dict[int, CommittedPosition]:
    """What Kafka holds for a group, by shard; stable means that no transaction may undo it.

    A shard whose offset something else than a worker committed is not among them: what is
    known of it stands in the mirror. `ServerError` where Kafka does not answer.
    """
    isolation = "read_committed" if is_stable else "read_uncommitted"
    reader = PositionReader(reader_config(settings, group=group, isolation=isolation))
    try:
        places = _ask(reader)
    finally:
        reader.close()
    found = {}
    for place in places:
        with contextlib.suppress(UnreadablePositionError):
            stored = from_offset(place)
            if stored is not None:
                found[place.partition] = stored
    return found


def _ask(reader: PositionReader) -> list[TopicPartition]:
    """Ask again while a transaction holds the positions."""
    deadline = Deadline(PENDING_S)
    while True:
        try:
            return reader.committed(range(SHARDS), KAFKA_CALL_S)
        except KafkaException as error:
            fault = error.args[0]
            if fault.code() != TIMED_OUT or not deadline.pause(WAIT_S):
                raise unreachable(fault) from error


def of_mirror(connection: Connection) -> dict[int, CommittedPosition]:
    """What the mirror in Postgres holds, by shard, whatever the group."""
    return {row.shard: from_mirror(row) for row in mirror.list_positions(connection)}


def known(settings: Settings, connection: Connection) -> Mapping[int, CommittedPosition]:
    """By shard where it stands: Kafka's word, else the mirror's; none where nothing is published.

    A mirror that another group wrote sends us to what Kafka holds for that group, too:
    batch numbers continue when a group is renamed, so that the highest is the last.
    """
    rows = mirror.list_positions(connection)
    groups = {row.group_name for row in rows} - {settings.group}
    found = of_mirror(connection)
    for group in (*sorted(groups), settings.group):
        for shard, stored in of_group(settings, group).items():
            if shard not in found or stored.batch >= found[shard].batch:
                found[shard] = stored
    return found
