"""Dead letters that people had redriven: they go out in order, once, before what is behind them.

The owner of a shard takes some of its parked events, in the order of their ids, and marks them
`redriving` under the next number of the shard's ledger. One Kafka transaction has their records and
the shard's position with that number. Then they are marked `redriven`. A worker that finds them
`redriving` asks the position: they are out if it carries their number or a higher one, and never
will be otherwise. Later events of their keys are parked behind them until none of the key is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

import psycopg
import structlog

from outbox_worker.position.row import TOPIC, EventRow
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import holds
from outbox_worker.relay.outcome import Aborted, Committed, Discarded, Interrupted, Rejected
from outbox_worker.relay.position_limit import PositionLimit
from outbox_worker.relay.redrive_progress import Progress, Refusal
from outbox_worker.stores import dead_letter
from outbox_worker.stores.outbox import Limits
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.cohorts import Cohorts
    from outbox_worker.relay.dead_letters import DeadLetters
    from outbox_worker.relay.outcome import TransactionOutcome
    from outbox_worker.relay.publisher import Publisher
    from outbox_worker.relay.topics import Topics
    from outbox_worker.stores import Connection
    from outbox_worker.stores.dead_letter import Order

LOOK_S: Final = 0.5
"""How often it is asked what people want."""

CHUNK: Final = 500
"""Events that one transaction of a redrive holds at most: other shards wait for it."""

AGAIN_S: Final = 0.25
"""Pause before a redrive is tried again that was interrupted."""

NOT_OURS: Final = "the ledger of dead letters is not ours"

GONE: Final = "the event is not in the table any more: discard it"

log = structlog.get_logger("relay")


def _code_of(reason: str) -> str:
    """The name of an error that a reason begins with; of one without, that its topic takes none."""
    name = reason.partition(":")[0]
    return name if name.isupper() and name.isidentifier() else "TOPIC_CLOSED"


class Redrive:
    """Carries out what people ask for, a chunk at a time."""

    def __init__(
        self, dead_letters: DeadLetters, publisher: Publisher, topics: Topics, size: BatchSize
    ) -> None:
        """Share the ledger and the producer of the relay."""
        self._dead_letters = dead_letters
        self._publisher = publisher
        self._topics = topics
        self._size = size
        self._limit = PositionLimit()
        self._rest = Deadline(0.0)
        self._asked: set[int] = set()
        self._orders: list[Order] = []
        self._progress: dict[int, Progress] = {}

    def look(
        self,
        connection: Connection,
        cohorts: Cohorts,
        committed: Mapping[int, CommittedPosition],
    ) -> None:
        """From time to time ask what people want of the shards that are served.

        At once where one is new: its owner before may have carried out what we have not heard of.
        """
        self._asked &= committed.keys()
        if not committed or (not self._rest.passed and committed.keys() <= self._asked):
            return
        self._rest, self._asked = Deadline(LOOK_S), set(committed)
        found = dead_letter.list_orders(connection, committed)
        before = {each.id for each in self._dead_letters.orders}
        self._dead_letters.orders = [
            each
            for each in found
            if each.action == "park" and not self._end_parking(connection, each, cohorts, committed)
        ]
        if any(each.id not in before for each in self._dead_letters.orders):
            cohorts.hurry()  # What is to be parked is mostly what a shard waits for.
        self._orders = [each for each in found if each.action == "redrive"]
        ids = {each.id for each in self._orders}
        self._progress = {n: each for n, each in self._progress.items() if n in ids}

    def run_once(
        self, connection: Connection, committed: MutableMapping[int, CommittedPosition]
    ) -> TransactionOutcome | None:
        """Redrive some events of one order; None where nothing is due, or nothing came of it.

        `committed` gets the new position. After `Aborted` and `Discarded` Kafka has to be asked.
        """
        order = next((each for each in self._orders if self._is_due(each, committed)), None)
        if order is None:
            return None
        self._orders.remove(order)
        self._orders.append(order)
        try:
            return self._carry_on(connection, order, committed)
        except psycopg.errors.LockNotAvailable:
            self._wait_for_lock(order)
            return None

    def _carry_on(
        self,
        connection: Connection,
        order: Order,
        committed: MutableMapping[int, CommittedPosition],
    ) -> TransactionOutcome | None:
        progress = self._progress[order.id]
        self._note_refusal(connection, order)
        found = dead_letter.list_redrivable(connection, order, progress.after, self._limits(order))
        if not found and not progress.after:
            self._end(connection, order)
            return None
        if progress.after and self._is_passed_over(connection, progress, found):
            progress.after = 0
            return None
        rows = self._ready(connection, order, found)
        return self._publish(connection, order, rows, committed) if rows else None

    def _is_passed_over(
        self,
        connection: Connection,
        progress: Progress,
        found: list[tuple[int, EventRow | None]],
    ) -> bool:
        """Whether it is time to begin with the first event again.

        What was written early may be parked late, what is behind a refused event may follow once
        that one is decided, and so may what did not go out after all: never before they did.
        """
        ids = [event for event, _ in found]
        return not ids or dead_letter.has_earlier(connection, ids, progress.after)

    def _is_due(self, order: Order, committed: Mapping[int, CommittedPosition]) -> bool:
        progress = self._progress.setdefault(order.id, Progress(_most(order), Deadline(0.0)))
        return order.shard in committed and progress.rest.passed

    def _limits(self, order: Order) -> Limits:
        most = self._size.limits
        return Limits(min(self._progress[order.id].chunk, most.rows), most.bytes)

    def _ready(
        self, connection: Connection, order: Order, found: list[tuple[int, EventRow | None]]
    ) -> dict[int, EventRow]:
        """By id in the ledger what can go out, up to the first that cannot; that one is noted."""
        rows = {event: _addressed(row, order.to_topic) for event, row in found if row is not None}
        closed = holds.obstacles(self._topics, self._size, list(rows.values())) if rows else {}
        leaderless = self._topics.leaderless(rows.values())
        ready: dict[int, EventRow] = {}
        for event, row in found:
            if row is None:
                self._refuse(connection, order, Refusal(event, GONE, "EVENT_GONE"))
                break
            # Earlier ones of its key, of the same batch, may not have gone out yet; and a partition
            # gets a leader again.
            if self._dead_letters.is_bound(event) or event in leaderless:
                self._progress[order.id].rest = Deadline(AGAIN_S)
                break
            if why := closed.get(event):
                code = why.code or _code_of(why.reason)
                self._refuse(connection, order, Refusal(event, why.reason, code))
                break
            ready[event] = rows[event]
        return ready

    def _publish(
        self,
        connection: Connection,
        order: Order,
        rows: Mapping[int, EventRow],
        committed: MutableMapping[int, CommittedPosition],
    ) -> TransactionOutcome | None:
        shard, progress = shard_of(order), self._progress[order.id]
        stored = committed[shard]
        if not self._limit.has_room_for(_resting_on(stored, self._dead_letters.next_number(shard))):
            progress.rest = Deadline(AGAIN_S)
            return None
        epoch = self._dead_letters.epoch(shard)
        number, chosen = dead_letter.mark_redriving(connection, epoch, order, list(rows))
        if number is None:
            return Aborted(NOT_OURS)
        self._dead_letters.note(shard, number)
        going = [rows[event] for event in sorted(chosen)]
        if not going:
            return None  # All of them were discarded meanwhile.
        after = _resting_on(stored, number)
        outcome = self._publisher.publish(going, {shard: after}, is_claim=True)
        if not isinstance(outcome, Committed):
            return self._failed(connection, order, sorted(chosen), committed, outcome)
        committed[shard] = after
        dead_letter.mark_redriven(connection, order, number)
        self._dead_letters.note_settled(shard)
        progress.after, progress.waits = max(progress.after, *rows), False
        progress.chunk = min(2 * progress.chunk, _most(order))
        progress.rest = Deadline(0.0 if order.rate is None else len(going) / order.rate)
        log.info("dead_letters_redriven", request=order.id, shard=shard, events=len(going))
        return outcome

    def _failed(
        self,
        connection: Connection,
        order: Order,
        events: list[int],
        committed: Mapping[int, CommittedPosition],
        outcome: TransactionOutcome,
    ) -> TransactionOutcome:
        """Where records were refused they are tried one by one; else all of them later again."""
        progress = self._progress[order.id]
        progress.rest, progress.after = Deadline(AGAIN_S), 0
        if isinstance(outcome, Rejected | Discarded) and self._topics.blame(
            outcome.code, outcome.topics
        ):
            if len(events) == 1:
                code = _code_of(outcome.reason)
                progress.refusal = Refusal(events[0], outcome.reason, code)
            progress.chunk, progress.rest = 1, Deadline(0.0)
        # Of these two it is certain that nothing is in Kafka; of others Kafka has to be asked.
        if isinstance(outcome, Rejected | Interrupted) and not self._dead_letters.settle(
            connection, committed
        ):
            return Aborted(NOT_OURS)
        return outcome

    def _note_refusal(self, connection: Connection, order: Order) -> None:
        """Of an event that is parked again since."""
        progress = self._progress[order.id]
        if progress.refusal is not None:
            self._refuse(connection, order, progress.refusal)
            progress.refusal = None

    def _refuse(self, connection: Connection, order: Order, refusal: Refusal) -> None:
        """It stays parked with what is behind it, and the order leaves them."""
        dead_letter.mark_refused(connection, order, *refusal)
        progress = self._progress[order.id]
        progress.after = max(progress.after, refusal.event)
        progress.chunk = 1  # Where a topic takes none, the next is refused, too.
        log.warning(
            "redrive_refused",
            request=order.id,
            id=refusal.event,
            reason=refusal.reason,
            hint="Mend what `reason` says, then redrive it again, or discard it",
        )

    def _wait_for_lock(self, order: Order) -> None:
        """A person is about to decide about one of the events; all other orders continue."""
        progress = self._progress[order.id]
        progress.rest = Deadline(AGAIN_S)
        if not progress.waits:
            log.warning(
                "redrive_waits",
                request=order.id,
                hint="A transaction that decides about some of these events is open: end it (see "
                "pg_stat_activity)",
            )
        progress.waits = True

    def _end(self, connection: Connection, order: Order) -> None:
        """Nothing is left of an order."""
        self._orders.remove(order)
        del self._progress[order.id]
        ended = dead_letter.end_redrive(connection, order)
        if ended is not None:
            events, refused, _ = ended
            log.info("redrive_done", request=order.id, events=events, refused=refused)

    def _end_parking(
        self,
        connection: Connection,
        order: Order,
        cohorts: Cohorts,
        committed: Mapping[int, CommittedPosition],
    ) -> bool:
        """Close an order to park where all that it is about has been read; whether it is closed."""
        if order.shard is None:
            return False  # Of a whole topic: until a person closes it.
        if order.event is not None:
            position = committed[order.shard].position
            if order.is_parked:
                return self._close(connection, order, "done", "parked")
            if position.published(order.event_xid or 0, order.event):
                return self._close(connection, order, "failed", "it was published before")
            return False
        seen = cohorts.seen(order.shard)
        if seen is None or not seen.sees(order.xid):
            return False
        is_open = self._dead_letters.is_open((order.topic, order.key))
        return self._close(
            connection, order, "done", "parked" if is_open else "no event of the key waited"
        )

    def _close(self, connection: Connection, order: Order, state: str, outcome: str) -> bool:
        dead_letter.end_order(connection, order, state, outcome)
        return True


def shard_of(order: Order) -> int:
    """The shard of an order to redrive, which is never for all of them."""
    if order.shard is None:
        message = f"order {order.id} has no shard"
        raise RuntimeError(message)
    return order.shard


def _resting_on(stored: CommittedPosition, number: int) -> CommittedPosition:
    """The position after a redrive with this number."""
    return CommittedPosition(stored.batch + 1, replace(stored.position, ledger=number))


def _most(order: Order) -> int:
    """How many events a chunk has at most: with a rate, those of a second."""
    return CHUNK if order.rate is None else max(1, min(CHUNK, int(order.rate)))


def _addressed(row: EventRow, topic: str | None) -> EventRow:
    """The event as one of another topic, where one is given."""
    if topic is None:
        return row
    return cast("EventRow", (*row[:TOPIC], topic, *row[TOPIC + 1 :]))
