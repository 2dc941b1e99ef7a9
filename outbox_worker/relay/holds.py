"""Events that cannot go out now: their shard waits, the others flow, nothing is skipped.

A topic that takes no events, and an event too large for any, is found before the
transaction. A record that Kafka refuses is found by halving: each shard of the batch
goes on alone with half of its rows, until the record stands alone and its shard is held.
What becomes of a held record beyond that (a dead letter) is decided in `hold`.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError

from outbox_worker import rights
from outbox_worker.relay.topics import Closed
from outbox_worker.relay.transaction import NO_RECORD
from outbox_worker.settings import LARGEST_EVENT
from outbox_worker.stores.outbox import SHARD, SIZE, TOPIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outbox_worker.relay.cohorts import Cohort, Cohorts
    from outbox_worker.relay.reader import Batch
    from outbox_worker.relay.topics import Topics
    from outbox_worker.relay.transaction import Rejected
    from outbox_worker.stores.outbox import EventRow

FIRST_HOLD_S: Final = 0.25
LONGEST_HOLD_S: Final = 5.0
"""Pause before a held record is tried again, doubled from the first to the longest."""

SAY_EVERY: Final = 6
"""A held shard is told of at once, then at every sixth try (half a minute)."""

TOO_LARGE: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
    }
)

MEND_ROW: Final = (
    "Let the owner of the schema correct or delete it (UPDATE, or DELETE FROM outbox.event ... "
    "WHERE id = {})"
)

log = structlog.get_logger("relay")


def obstacles(topics: Topics, rows: Sequence[EventRow]) -> dict[int, Closed]:
    """By id, why events cannot go out: their topics take none, or they are too large for any."""
    closed = topics.closed(set(map(TOPIC, rows)))
    found = {row[0]: closed[TOPIC(row)] for row in rows if TOPIC(row) in closed} if closed else {}
    if max(map(SIZE, rows), default=0) > LARGEST_EVENT:
        found |= {row[0]: _too_large(row) for row in rows if SIZE(row) > LARGEST_EVENT}
    return found


def clear_way(
    topics: Topics, cohorts: Cohorts, cohort: Cohort, batch: Batch
) -> tuple[Cohort, Batch] | None:
    """The part of the batch without an obstacle; None where nothing of it can go.

    Shards with one are parted from the cohort, and not joined to it again by the border of a
    backlog. Alone, such a shard goes on up to the event in question and is held there.
    """
    found = obstacles(topics, batch.rows)
    if not found:
        return cohort, batch
    if len(cohort.stands) == 1:
        first = next(n for n, row in enumerate(batch.rows) if row[0] in found)
        if first:
            return cohort, batch.until(first)
        row = batch.rows[0]
        hold(cohorts, cohort, batch.start, row, found[row[0]])
        return None
    blocked = {row[2] for row in batch.rows if row[0] in found}
    rest = cohort.without(blocked)
    counts = Counter(map(SHARD, batch.rows))
    singles = [replace(batch.start.only({shard}), rows=counts[shard]) for shard in sorted(blocked)]
    cohorts.part(cohort, rest, *singles)
    if not rest.stands:
        return None
    rows = [row for row in batch.rows if row[2] not in blocked]
    return rest, replace(batch, cohort=rest, rows=rows)


def isolate(cohorts: Cohorts, cohort: Cohort, batch: Batch, refusal: Rejected) -> None:
    """After a refusal: smaller batches for each shard of it, or the hold of the one record."""
    counts = Counter(map(SHARD, batch.rows))
    singles = [
        replace(batch.start.only({shard}), rows=max(1, count // 2))
        for shard, count in sorted(counts.items())
    ]
    cohorts.part(cohort, cohort.without(counts), *singles)
    reason = refusal.reason
    if len(batch.rows) == 1:
        alone, row = replace(singles[0], holds=cohort.holds), batch.rows[0]
        if refusal.code == NO_RECORD:
            way_out = f"No record can be made of the event. {MEND_ROW.format(row[0])}"
        else:
            way_out = way_out_of(refusal.code, TOPIC(row))
        why = Closed(reason, way_out)
        hold(cohorts, singles[0], alone, row, why)
    else:
        log.warning("record_refused", reason=reason, shards=sorted(counts), rows=len(batch.rows))


def grown_back(cohort: Cohort, most: int) -> Cohort:
    """After a batch that went out: the next may be twice as large, up to the setting again."""
    rows = cohort.rows and cohort.rows * 2
    return replace(cohort, rows=None if rows is not None and rows >= most else rows)


def _too_large(row: EventRow) -> Closed:
    return Closed(
        f"the event has {SIZE(row):,} bytes, and none may have more than {LARGEST_EVENT:,}",
        f"It was never published. {MEND_ROW.format(row[0])}",
    )


def way_out_of(code: int, topic: str) -> str:
    """What lets a topic take a record that it refused with this error."""
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return rights.to_publish(topic)
    if code in TOO_LARGE:
        return (
            "Let the topic take larger records: kafka-configs.sh --bootstrap-server BROKER:9092 "
            f"--alter --topic {topic} --add-config max.message.bytes=N"
        )
    return (
        "Let the topic take it: see `reason`, and the topic's configuration (a compacted topic "
        "takes no event without a key). It is tried again from time to time"
    )


def hold(cohorts: Cohorts, cohort: Cohort, start: Cohort, row: EventRow, why: Closed) -> None:
    """Let the shard of one event wait. Dead letters, once there are any, begin here."""
    reason, way_out = why
    if start.holds % SAY_EVERY == 0:
        log.error(
            "shard_held",
            shard=row[2],
            id=row[0],
            event_id=row[3],
            topic=row[4],
            reason=reason,
            way_out=way_out,
        )
    pause = min(FIRST_HOLD_S * 2**start.holds, LONGEST_HOLD_S)
    until = time.monotonic() + pause
    # One row: the look for it ends where it stands, and not at the end of the table.
    cohorts.part(cohort, replace(start, rows=1, holds=start.holds + 1, held_until=until))
