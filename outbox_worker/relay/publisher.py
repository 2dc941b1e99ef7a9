"""A batch on its way: new positions of its shards, one transaction, what came of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from confluent_kafka import KafkaError

from outbox_worker.position.position import Place, Summary, advance, summarize
from outbox_worker.position.row import CREATED_AT, EventRow, topic_of, xid_of
from outbox_worker.published.committed import CommittedPosition, as_offset
from outbox_worker.relay.abandonable import AbandonableThread
from outbox_worker.relay.outcome import Aborted, Committed
from outbox_worker.relay.transaction import TRANSACTION_S, UNDO_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from confluent_kafka import TopicPartition

    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.position.position import Position
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.group import Group
    from outbox_worker.relay.outcome import TransactionOutcome
    from outbox_worker.relay.reader import Batch
    from outbox_worker.relay.transaction import Transactions
    from outbox_worker.tracing.spans import Spans

PREFETCH_ROWS: Final = 1_000
"""From this size of batch on the next one is read while Kafka commits. Below it the read comes
after the commit: its rows are fresher, so that an event waits for one commit and not for two."""

FINISH_S: Final = TRANSACTION_S + UNDO_S + 0.5
"""From when on a transaction that neither commits nor fails is given up: librdkafka does not
always return by the time that it is given, and our other shards wait for it."""

HANGS: Final = (
    "See the brokers, above all the coordinator of the group: "
    "kafka-consumer-groups.sh --bootstrap-server BROKER:9092 --describe --state --group GROUP. "
    "While too many such calls hang the worker ends with code 3, to be started anew"
)

RESIGN_S: Final = 1.0
"""How long a worker that stops waits at most for Kafka to hear of it."""

STALE_XIDS: Final = 100_000
"""How far a shard without events may fall behind before its position is renewed."""

log = structlog.get_logger("relay")


def positions_after(
    batch: Batch, stored: Mapping[int, CommittedPosition], floor: int
) -> dict[int, CommittedPosition]:
    """The new position of every shard that has rows in the batch.

    A shard without rows keeps the position it has: it stays true. Only where it
    has fallen far behind, or still names a backlog that is over, is it renewed along
    with the others, so that whoever takes the shard over, and `outbox.lag`, need not
    look through all that happened since. Its
    witnesses may be rows of any shard: what they prove is true of the table.
    """
    whole = None
    after = {}
    rows = batch.every
    summaries = summarize(rows)
    for shard, stand in batch.cohort.stands.items():
        summary, old = summaries.get(shard), stored[shard]
        if summary is None:
            if batch.cut is not None or not _is_stale(old.position, batch.upper):
                continue
            whole = whole or Summary(max(rows, key=xid_of), rows[-1])
            summary = whole
        done = stand.floor if batch.cut is not None else max(stand.floor, floor)
        place = Place(stand.seen, batch.upper, batch.cut, done)
        after[shard] = CommittedPosition(old.batch + 1, advance(old.position, summary, place))
    return after


def _is_stale(position: Position, upper: Snapshot) -> bool:
    return position.backlog is not None or upper.xmax - position.seen.xmax >= STALE_XIDS


class Publisher:
    """Runs transactions; while a large one commits, the caller may read on."""

    def __init__(
        self,
        transactions: Transactions,
        group: Group,
        size: BatchSize,
        metrics: RelayMetrics,
        spans: Spans,
    ) -> None:
        """Share the worker's producer and its membership; tell `size` what came of batches."""
        self._transactions = transactions
        self._size = size
        self._group = group
        self._metrics = metrics
        self._spans = spans
        self._caller = AbandonableThread("commit")

    def publish(
        self,
        rows: Sequence[EventRow],
        positions: Mapping[int, CommittedPosition],
        meanwhile: Callable[[], None] | None = None,
        *,
        is_claim: bool = False,
        seconds: float = FINISH_S,
    ) -> TransactionOutcome:
        """Commit rows and positions together; calls `meanwhile` while Kafka commits.

        A claim takes positions over as they are, and so does a redrive; all others are new:
        `PositionTooLargeError`.
        After so many seconds without an outcome the transaction is given up.
        """
        offsets = [as_offset(n, each, is_new=not is_claim) for n, each in positions.items()]
        member = self._group.member()
        if member is None:
            return Aborted("not a member of the group")
        began = time.perf_counter()
        if rows:
            with self._spans.sending(rows, self._transactions.ids.owner) as span:
                outcome = self._send(rows, offsets, member, meanwhile, seconds)
                span.end_as(_name_of(outcome), _reason_of(outcome))
        else:
            outcome = self._send(rows, offsets, member, meanwhile, seconds)
        self._transactions.release()
        self._observe(rows, outcome, time.perf_counter() - began, is_new=not is_claim)
        return outcome

    def close(self) -> None:
        """Let go of the thread."""
        self._caller.close()

    def _send(
        self,
        rows: Sequence[EventRow],
        offsets: list[TopicPartition],
        member: bytes,
        meanwhile: Callable[[], None] | None,
        seconds: float,
    ) -> TransactionOutcome:
        outcome = self._transactions.produce(rows)
        if outcome is not None:
            return outcome
        future = self._caller.submit(self._transactions.finish, offsets, member)
        try:
            if meanwhile is not None and len(rows) >= PREFETCH_ROWS:
                meanwhile()
        finally:
            outcome = self._await(future, seconds)
        return outcome

    def _await(self, future: Future[TransactionOutcome], seconds: float) -> TransactionOutcome:
        try:
            return future.result(seconds)
        except TimeoutError:
            self._caller.leave()
            outcome = self._transactions.give_up()
            # It is what an operator hears of a coordinator that is gone, until one commits.
            code = KafkaError._TIMED_OUT  # noqa: SLF001  librdkafka's own
            self._group.complaints.note("transaction", code, outcome.reason, HANGS)
            return outcome

    def _observe(
        self, rows: Sequence[EventRow], outcome: TransactionOutcome, seconds: float, *, is_new: bool
    ) -> None:
        """Count what came of it; how old the events are says something of those that are new."""
        self._metrics.transaction_seconds.labels(_name_of(outcome)).observe(seconds)
        if not isinstance(outcome, Committed):
            if rows:
                self._size.failed(rows, seconds, self._transactions.delivered)
            self._metrics.aborts.labels(_reason_of(outcome)).inc()
            return
        if rows:
            self._size.committed(rows, seconds)
            self._metrics.batch_events.observe(len(rows))
            for topic, count in Counter(map(topic_of, rows)).items():
                self._metrics.count_published(topic, count)
            if is_new:
                age = datetime.now(UTC) - datetime.fromisoformat(rows[0][CREATED_AT])
                self._metrics.insert_to_commit_seconds.observe(max(0.0, age.total_seconds()))


def _name_of(outcome: TransactionOutcome) -> str:
    return type(outcome).__name__.lower()


def _reason_of(outcome: TransactionOutcome) -> str:
    """The kind of error that was in the way, empty where none was."""
    return "" if isinstance(outcome, Committed) else outcome.reason.partition(":")[0]


def resign(
    publisher: Publisher, committed: Mapping[int, CommittedPosition]
) -> dict[int, CommittedPosition]:
    """Let these positions name no owner: whoever serves the shards next has nobody to fence.

    The last transaction of a worker: of shards that are served no other is open. By shard what is
    committed by it; nothing where Kafka does not answer in time.
    """
    unowned = {
        shard: CommittedPosition(stored.batch + 1, replace(stored.position, owner=""))
        for shard, stored in committed.items()
    }
    if not unowned:
        return {}
    outcome = publisher.publish((), unowned, is_claim=True, seconds=RESIGN_S)
    if isinstance(outcome, Committed):
        return unowned
    log.info("not_resigned", reason=outcome.reason)
    return {}
