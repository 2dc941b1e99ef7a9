"""Events that leave the way of the others: parked in the ledger, later ones of their key behind.

What must hold, whatever crashes (docs/decisions names the reasons):

1. The ledger comes before Kafka. The row of a parked event is committed before the transaction
   whose position passes the event.
2. A row binds. What has a row in the ledger goes out by a redrive alone, whatever became of the
   transaction and of the row: until its position has passed it, an event is looked for there, and
   is not redriven: earlier ones of its key may not have gone out yet.
3. A sequence (topic and key) with an open row stays behind it: its later events are parked too.
4. Only the owner of a shard opens one. It raises the shard's epoch in the ledger, reads the ledger,
   and only then claims the shard in Kafka; each write names the epoch. A worker that was frozen
   meanwhile can raise it, but then its claim fails, and the owner, whose next write fails, asks
   Kafka again. So what is in memory may name a sequence that is closed, but never misses one.
5. Each write draws a number, and a position that rests on the ledger carries the highest. A ledger
   with a lower one has lost rows.
   A worker whose connection to the database was lost claims its shards anew: after a fail-over an
   older epoch may stand there.
6. A redrive is a write, too (`redrive`): it is in Kafka if, and only if, the position carries its
   number. So the next number is drawn after it is settled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import structlog

from outbox_worker.position.row import (
    CREATED_AT,
    EVENT_ID,
    ID,
    KEY,
    SHARD,
    TOPIC,
    TYPE,
    XID,
    EventRow,
)
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import ledger_check
from outbox_worker.stores import dead_letter
from outbox_worker.stores.dead_letter import Letter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.relay.creation import Closed
    from outbox_worker.relay.park_policy import ParkPolicy
    from outbox_worker.relay.reader import Batch
    from outbox_worker.stores import Connection
    from outbox_worker.stores.dead_letter import Order

BEHIND = "BEHIND"
"""The code of an event that is parked only because an earlier one of its key is."""

ORDERED = "ORDERED"
"""The code of an event that a person had parked."""

log = structlog.get_logger("relay")


class Verdict(NamedTuple):
    """Why an event is parked, by whom, and behind which."""

    reason: str
    code: str
    parked_by: str
    behind: int | None = None


class Parked(NamedTuple):
    """An event of a batch that does not go out; without a verdict the ledger has it already."""

    row: EventRow
    verdict: Verdict | None


class DeadLetters:
    """What the owner of some shards knows of their ledger."""

    def __init__(
        self, policy: ParkPolicy, owner: Callable[[], str], metrics: RelayMetrics | None = None
    ) -> None:
        """`owner` tells under which name this worker parks."""
        self._policy = policy
        self._owner = owner
        self._metrics = metrics
        self._epochs: dict[int, int] = {}
        self._taken: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._unsettled: set[int] = set()
        self._bound: dict[int, int] = {}
        self._open: dict[tuple[str, str | None], int] = {}
        self._condemned: dict[int, tuple[int, Verdict]] = {}
        self.orders: Sequence[Order] = ()
        """What people asked to have parked."""

    def epoch(self, shard: int) -> int:
        """What our writes for a shard name."""
        return self._epochs[shard]

    def next_number(self, shard: int) -> int:
        """That of our next write for a shard, if it is still ours."""
        return self._numbers[shard] + 1

    def is_open(self, sequence: tuple[str | None, str | None]) -> bool:
        """Whether this topic and key may have parked events."""
        return sequence in self._open

    def is_bound(self, event: int) -> bool:
        """Whether the position has not passed this event, which is in the ledger."""
        return event in self._bound

    # Before shards are served.

    def enter(
        self, connection: Connection, known: Mapping[int, CommittedPosition]
    ) -> frozenset[int]:
        """Take the ledger of shards over where it is not ours; those that are to be claimed.

        `HistoryLostError` as in `ledger_check.look_over`; then nothing is taken over.
        """
        self._forget(known)
        found = ledger_check.look_over(connection, known)
        unowned = {n for n in known if self._epochs.get(n) != found[n].epoch}
        if unowned:
            found |= dead_letter.raise_epochs(connection, unowned)
        for shard in known:
            self._taken[shard], self._numbers[shard] = found[shard]
        seen = {shard: stored.position.seen for shard, stored in known.items()}
        for event, xid, shard in dead_letter.list_unpassed(connection, seen):
            if not known[shard].position.published(xid, event):
                self._bound[event] = shard
        for shard, topic, key in dead_letter.list_sequences(connection, known):
            self._open[topic, key] = shard
        self._unsettled |= dead_letter.list_redriving(connection, known)
        return frozenset(unowned)

    def own(self, connection: Connection, owned: Mapping[int, CommittedPosition]) -> bool:
        """These are claimed: what is written for them counts. Then as `settle`."""
        self._epochs.update({shard: self._taken.pop(shard) for shard in owned})
        return self.settle(connection, owned)

    def settle(self, connection: Connection, owned: Mapping[int, CommittedPosition]) -> bool:
        """Say of shards that are ours what became of their redrives; False where one is not ours.

        Their positions are what Kafka has, and no transaction may move them.
        """
        for shard in sorted(self._unsettled & owned.keys()):
            ledger = owned[shard].position.ledger
            number = dead_letter.settle_redrives(connection, shard, self._epochs[shard], ledger)
            if number is None:
                return False
            self._numbers[shard] = number
            self._unsettled.discard(shard)
        return True

    def concerns(self, rows: Iterable[EventRow]) -> bool:
        """Whether one of these may have to be parked: they cannot go out with a claim."""
        return bool(self.orders) or any(
            row[ID] in self._bound
            or row[ID] in self._condemned
            or (row[TOPIC], row[KEY]) in self._open
            for row in rows
        )

    def drop(self, shards: Iterable[int]) -> None:
        """These are no longer ours: to serve them again takes a claim."""
        gone = set(shards)
        for shard in gone:
            self._epochs.pop(shard, None)
            self._taken.pop(shard, None)
        self._forget(gone)
        self._condemned = {n: each for n, each in self._condemned.items() if each[0] not in gone}

    def drop_all(self) -> None:
        """A new connection may lead to another server, whose ledger others may have taken over."""
        self._epochs.clear()

    # While they are served.

    def condemn(self, row: EventRow, why: Closed) -> bool:
        """Whether this event, which can never go out, is parked with the next batch."""
        if not why.code or not self._policy.parks(row[TOPIC]):
            return False
        verdict = Verdict(why.reason, why.code, self._owner())
        self._condemned[row[ID]] = row[SHARD], verdict
        return True

    def sift(self, connection: Connection, batch: Batch) -> Batch:
        """The batch without what does not go out, which it carries apart."""
        if not (self._bound or self._open or self._condemned or self.orders):
            return batch
        firsts = self._look(connection, batch.rows)
        rows: list[EventRow] = []
        aside: list[Parked] = []
        for row in batch.rows:
            if row[ID] in self._bound:
                aside.append(Parked(row, None))
            elif verdict := self._judge(row, firsts):
                aside.append(Parked(row, verdict))
            else:
                rows.append(row)
        return replace(batch, rows=rows, aside=tuple(aside)) if aside else batch

    def park(
        self,
        connection: Connection,
        batch: Batch,
        positions: MutableMapping[int, CommittedPosition],
    ) -> bool:
        """Write what the batch carries apart into the ledger, for `positions` to rest on it.

        False where a shard is not ours any more, as far as the ledger knows.
        """
        letters = [_letter(each.row, each.verdict) for each in batch.aside if each.verdict]
        if letters:
            shards = sorted({each.shard for each in letters})
            epochs = {shard: self._epochs[shard] for shard in shards}
            numbers = dead_letter.insert_events(connection, epochs, letters)
            if numbers.keys() != epochs.keys():
                return False
            self._numbers.update(numbers)
            for each in letters:
                self._bound[each.id] = each.shard
                if each.key is not None:
                    self._open[each.topic, each.key] = each.shard
            self._count(letters)
            _say(letters)
        for shard in {each.row[SHARD] for each in batch.aside}:
            stored = positions[shard]
            position = replace(stored.position, ledger=self._numbers[shard])
            positions[shard] = CommittedPosition(stored.batch, position)
        return True

    def note(self, shard: int, number: int) -> None:
        """A redrive has drawn a number."""
        self._numbers[shard] = number
        self._unsettled.add(shard)

    def note_settled(self, shard: int) -> None:
        """The ledger says what became of it."""
        self._unsettled.discard(shard)

    def passed(self, batch: Batch) -> None:
        """The position has passed what the batch carried apart."""
        for each in batch.aside:
            self._bound.pop(each.row[ID], None)
            self._condemned.pop(each.row[ID], None)

    def _count(self, letters: Sequence[Letter]) -> None:
        if self._metrics is not None:
            for topic, events in Counter(each.topic for each in letters).items():
                self._metrics.count_parked(topic, events)

    def _forget(self, shards: Iterable[int]) -> None:
        """What the ledger of these shards tells is read anew."""
        gone = set(shards)
        self._bound = {n: shard for n, shard in self._bound.items() if shard not in gone}
        self._open = {each: shard for each, shard in self._open.items() if shard not in gone}
        self._unsettled -= gone

    def _look(
        self, connection: Connection, rows: Iterable[EventRow]
    ) -> dict[tuple[str, str | None], int]:
        """By topic and key, the first event of the open sequences that have some of these rows."""
        touched = {(row[TOPIC], row[KEY]) for row in rows} & self._open.keys()
        if not touched:
            return {}
        asked = [(self._open[each], *each) for each in touched]
        found = dead_letter.list_open(connection, asked)
        for each in touched - found.keys():
            del self._open[each]
        return found

    def _judge(self, row: EventRow, firsts: dict[tuple[str, str | None], int]) -> Verdict | None:
        """Why this event is parked, if it is; then later ones of its key are behind it."""
        first = firsts.get((row[TOPIC], row[KEY]))
        if first is not None:
            reason = "an earlier event of its key is parked"
            return Verdict(reason, BEHIND, self._owner(), first)
        condemned = self._condemned.get(row[ID])
        verdict = condemned[1] if condemned else self._ordered(row)
        if verdict and row[KEY] is not None:
            firsts[row[TOPIC], row[KEY]] = row[ID]
        return verdict

    def _ordered(self, row: EventRow) -> Verdict | None:
        for order in self.orders:
            if order.event is not None:
                fits = order.event == row[ID]
            else:
                fits = order.topic == row[TOPIC] and order.key in {None, row[KEY]}
            if fits:
                return Verdict(order.reason or "a person asked for it", ORDERED, order.ordered_by)
        return None


def _letter(row: EventRow, verdict: Verdict) -> Letter:
    return Letter(
        id=row[ID],
        xid=row[XID],
        shard=row[SHARD],
        created_at=row[CREATED_AT],
        topic=row[TOPIC],
        key=row[KEY],
        event_id=row[EVENT_ID],
        type=row[TYPE],
        reason=verdict.reason,
        code=verdict.code,
        behind=verdict.behind,
        parked_by=verdict.parked_by,
    )


def _say(letters: Sequence[Letter]) -> None:
    """One line for each code: of events behind others there may be many."""
    for code, events in Counter(each.code for each in letters).items():
        first = next(each for each in letters if each.code == code)
        log.warning(
            "events_parked",
            code=code,
            events=events,
            topic=first.topic,
            event_id=first.event_id,
            reason=first.reason,
            hint="outbox-worker dead-letters list",
        )
