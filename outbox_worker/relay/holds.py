"""Events that cannot go out now: their shard waits, the others flow, nothing is skipped.

A topic that takes no events, and an event too large for any, is found before the
transaction. Where Kafka refuses records, the shards of those in question continue alone: these
records one by one, or by a few, and apart from all others, until the one that is refused
stands alone and its shard is held. Records that nobody doubts are not sent again and again:
each time would leave a copy of them that readers without `read_committed` see.
An event that can never go out is parked instead, where the settings say so: `hold` asks for that.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError

from outbox_worker.kafka import rights
from outbox_worker.position.row import (
    EVENT_ID,
    ID,
    SHARD,
    SIZE,
    TOPIC,
    EventRow,
    shard_of,
    size_of,
    topic_of,
)
from outbox_worker.relay.cohorts import HeldEvent, Run
from outbox_worker.relay.creation import Closed
from outbox_worker.relay.outcome import NO_RECORD
from outbox_worker.settings import LARGEST_EVENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import TypeAlias

    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.cohorts import Cohort, Cohorts
    from outbox_worker.relay.outcome import Rejected
    from outbox_worker.relay.reader import Batch
    from outbox_worker.relay.topics import Topics

    Condemn: TypeAlias = Callable[[EventRow, Closed], bool]

FIRST_HOLD_S: Final = 0.25
LONGEST_HOLD_S: Final = 5.0
"""Pause before a held record is tried again, doubled from the first to the longest."""

TOO_LARGE: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
    }
)

FINAL_CODES: Final = TOO_LARGE | {
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.POLICY_VIOLATION,
    KafkaError._INVALID_ARG,  # noqa: SLF001  librdkafka's own code
}
"""Refusals that lie in the record. A topic that is missing, or that may not be written, is none."""

FEW: Final = 16
"""Of so many records in a batch each is worth a transaction of its own, 3 to 6 ms, so that none
for another topic is sent twice."""

MEND_ROW: Final = (
    "Let the owner of the schema correct or delete it (UPDATE, or DELETE FROM outbox.event ... "
    "WHERE id = {})"
)

log = structlog.get_logger("relay")


def obstacles(topics: Topics, size: BatchSize, rows: Sequence[EventRow]) -> dict[int, Closed]:
    """By id, why events cannot go out: their topics take none, or they are too large for any.

    Or they are so large that a transaction does not last as long as they need, or the partition
    that they belong to has no leader.
    """
    closed = topics.closed(set(map(topic_of, rows)))
    found = {row[ID]: closed[row[TOPIC]] for row in rows if row[TOPIC] in closed} if closed else {}
    if max(map(size_of, rows), default=0) > LARGEST_EVENT:
        found |= {row[ID]: _too_large(row) for row in rows if row[SIZE] > LARGEST_EVENT}
    return found | size.too_slow(rows) | topics.leaderless(rows)


def clear_way(
    topics: Topics, size: BatchSize, cohorts: Cohorts, batch: Batch, condemn: Condemn
) -> Batch | None:
    """The part of the batch without an obstacle; None where nothing of it can go.

    Shards with one are parted from the cohort, and not joined to it again by the border of a
    backlog. Alone, such a shard continues up to the event in question and is held there.
    """
    found = obstacles(topics, size, batch.rows)
    if not found:
        return _beware(cohorts, batch)
    if len(batch.cohort.stands) == 1:
        first = next(n for n, row in enumerate(batch.rows) if row[ID] in found)
        row = batch.rows[first]
        if batch.every[0] is not row:
            return batch.until(first)
        why = found[row[ID]]
        if condemn(row, why):
            cohorts.part(batch.cohort, replace(batch.start, rows=1))
        else:
            hold(cohorts, batch.cohort, batch.start, row, why)
        return None
    blocked = {row[SHARD] for row in batch.rows if row[ID] in found}
    counts = Counter(map(shard_of, batch.every))
    singles = [replace(batch.start.only({shard}), rows=counts[shard]) for shard in sorted(blocked)]
    return _parted(cohorts, batch, singles)


def _beware(cohorts: Cohorts, batch: Batch) -> Batch | None:
    """The batch without what its topics may refuse, as others that wait for them show.

    Only where these are few: they take transactions of their own, for which many have no time.
    """
    refusing = cohorts.refusing
    doubted = [row for row in batch.rows if row[TOPIC] in refusing] if refusing else []
    if batch.cohort.runs or not 0 < len(doubted) <= FEW:
        return batch
    return _parted(cohorts, batch, _trials(batch, doubted))


def _parted(cohorts: Cohorts, batch: Batch, singles: Sequence[Cohort]) -> Batch | None:
    """The batch without these shards of it, which continue alone; None where nothing is left."""
    shards = frozenset[int]().union(*(single.shards for single in singles))
    rest = batch.cohort.without(shards)
    cohorts.part(batch.cohort, *singles, rest)
    if not rest.stands:
        return None
    return batch.without(shards, rest)


def isolate(cohorts: Cohorts, batch: Batch, refusal: Rejected, condemn: Condemn) -> None:
    """After a refusal: trials of the records in question, or the hold of the one record.

    Shards without any continue together.
    """
    doubted = [row for row in batch.rows if refusal.doubts(row)] or batch.rows
    singles = _trials(batch, doubted)
    _parted(cohorts, batch, singles)
    if len(batch.rows) > 1:
        shards = sorted(set(map(shard_of, doubted)))
        log.warning("record_refused", reason=refusal.reason, shards=shards, rows=len(doubted))
        return
    row = batch.rows[0]
    if refusal.code == NO_RECORD:
        hint = f"No record can be made of the event. {MEND_ROW.format(row[ID])}"
        why, alone = Closed(refusal.reason, hint, "NO_RECORD"), singles[0]
    else:
        hint = hint_of(refusal.code, row[TOPIC])
        why = Closed(refusal.reason, hint, code_of(refusal.code))
        alone = replace(singles[0], refused_by=row[TOPIC])
    if not condemn(row, why):
        hold(cohorts, singles[0], alone, row, why)


def _trials(batch: Batch, doubted: Sequence[EventRow]) -> list[Cohort]:
    """The shards of doubted rows, each by itself.

    First those that begin with one: librdkafka loses count of a partition that refused records,
    so that the next transaction with it fails once more, and should have no other records.
    """
    ids = {row[ID] for row in doubted}
    trials = [_on_trial(batch, shard, ids) for shard in sorted(set(map(shard_of, doubted)))]
    return sorted(trials, key=lambda trial: not trial.runs[0].doubted)


def _on_trial(batch: Batch, shard: int, doubted: Collection[int]) -> Cohort:
    """One shard of a refused batch: the same rows again, the doubted ones apart from the others.

    Of those, the records for one topic are tried together once one of them alone has passed.
    """
    rows = [row for row in batch.every if row[SHARD] == shard]
    parts = groupby(rows, key=lambda row: row[TOPIC] if row[ID] in doubted else "")
    runs = [Run(len(list(part)), bool(topic)) for topic, part in parts]
    if batch.cohort.runs:
        # It is on trial already: this was the beginning of its first run.
        first, *others = batch.cohort.runs
        left = first._replace(rows=first.rows - len(rows))
        runs += [each for each in (left, *others) if each.rows > 0]
    return _begun(batch.start.only({shard}), runs)


def _begun(cohort: Cohort, runs: Sequence[Run]) -> Cohort:
    """The cohort at the beginning of these runs; with none left it flows as any other."""
    rows = (1 if runs[0].doubted else runs[0].rows) if runs else None
    return replace(cohort, runs=tuple(runs), rows=rows)


def grown_back(cohort: Cohort, done: int, most: int) -> Cohort:
    """After a batch of `done` rows that went out: the next may be larger, up to the setting.

    On trial it ends where the run ends.
    """
    if not cohort.runs:
        rows = cohort.rows and cohort.rows * 2
        return replace(cohort, rows=None if rows is not None and rows >= most else rows)
    first, *others = cohort.runs
    left = first.rows - done
    if cohort.upper is None:
        return _begun(cohort, ())
    if left <= 0:
        return _begun(cohort, others)
    rows = min(left, max(1, 2 * done)) if first.doubted else left
    return replace(cohort, rows=rows, runs=(first._replace(rows=left), *others))


def _too_large(row: EventRow) -> Closed:
    return Closed(
        f"the event has {row[SIZE]:,} bytes, and none may have more than {LARGEST_EVENT:,}",
        f"It was never published. {MEND_ROW.format(row[ID])}",
        "EVENT_TOO_LARGE",
    )


def code_of(code: int) -> str:
    """The name of an error by which Kafka refuses a record for good; empty for any other."""
    return KafkaError(code).name() if code in FINAL_CODES else ""


def hint_of(code: int, topic: str) -> str:
    """What lets a topic take a record that it refused with this error."""
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return rights.to_publish(topic)
    if code == KafkaError.INVALID_TIMESTAMP:
        return (
            "The time of the insert, which is that of the record, is too old or too far ahead for "
            "the topic: set OUTBOX_TIMESTAMP=publish, or raise its message.timestamp.before.max.ms "
            "or message.timestamp.after.max.ms"
        )
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
    """Let the shard of one event wait."""
    held = HeldEvent(row[ID], row[EVENT_ID], row[TOPIC], why.reason, why.hint)
    pause = min(FIRST_HOLD_S * 2**start.holds, LONGEST_HOLD_S)
    until = time.monotonic() + pause
    # One row: the look for it ends where it stands, and not at the end of the table.
    cohorts.part(
        cohort,
        replace(start, rows=1, holds=start.holds + 1, hold=held, held_until=until),
    )
