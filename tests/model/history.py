"""One random history from a seed, and the judgement over it."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from outbox_worker.position.codec import decode
from outbox_worker.position.position import Witness
from tests.model import ledger
from tests.model.actors import Worker
from tests.model.clients import Client, DiedError
from tests.model.kafka import HANGS, Kafka
from tests.model.postgres import SEQUENCE_AHEAD, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.model.postgres import Row

SHARDS = 3
KEYS = 5
WRITERS = 4
TROUBLE = 0.1

QUIET = 60
"""So many rounds without an event are the end: a window may show none, and ids have gaps."""


@dataclass(frozen=True, slots=True)
class HistoryResult:
    """What a history came to; `fault` is empty where all is well."""

    fault: str
    refused: bool
    published: int


class History:
    """Writers, two workers, crashes and fail-overs, one random step after the other."""

    def __init__(  # noqa: PLR0913  a history is what is drawn and what is given
        self,
        seed: int,
        *,
        lossy: bool,
        shards: int = SHARDS,
        rows: int | None = None,
        ahead: int | None = None,
        trouble: float = TROUBLE,
        letters: bool = False,
    ) -> None:
        self.letters = letters
        self.chance = random.Random(seed)
        ids_ahead = self.chance.choice((0, SEQUENCE_AHEAD))
        self.postgres = Postgres(shards, ids_ahead if ahead is None else ahead)
        self.kafka = Kafka(self.chance, self.postgres.written, HANGS if trouble else 0.0)
        self.lossy = lossy
        self.rows = rows or self.chance.choice((1, 2, 3, 5))
        self.trouble = trouble
        self.names = 0
        self.workers = [self.new_worker(), self.new_worker()]
        self.refused = False
        self.frozen: list[Worker] = []
        for shard in range(shards):
            self.give(shard, self.chance.choice(self.workers))

    def new_worker(self) -> Worker:
        self.names += 1
        name = f"w{self.names}"
        self.kafka.members.add(name)
        client = Client(self.kafka, self.chance, self.trouble)
        return Worker(self.postgres, client, self.rows, name)

    def give(self, shard: int, worker: Worker) -> None:
        """Kafka gives a shard: the old owner has let go of it, or is fenced."""
        self.kafka.owners[shard] = worker
        worker.group.give({shard})

    def run(self, steps: int) -> HistoryResult:
        """Random steps, then everybody ends and the workers catch up."""
        moves: list[Callable[[], None]] = [
            *[self.write] * 10,
            *[self.begin] * 4,
            *[self.take_xid] * 2,
            *[self.end] * 6,
            *[self.work] * 10,
            self.crash,
            self.stop,
            self.move_shard,
            self.lose_connection,
            self.write_mirror,
            *[self.mend] * 2,
            self.arrive,
        ]
        if self.letters:
            moves += [
                *[self.poison] * 2,
                self.cure,
                self.order_parking,
                *[self.order_redrive] * 3,
                self.discard,
            ]
        for _ in range(steps):
            self.chance.choice(moves)()
            if self.lossy and self.chance.random() < 0.03:
                self.fail_over()
            if self.refused:
                return HistoryResult(self.find_fault_of_refusal(), True, self.kafka.published)
        return self.finish()

    def finish(self) -> HistoryResult:
        for transaction in list(self.postgres.active):
            self.postgres.end(transaction, commit=self.chance.random() < 0.8)
        quiet = 0
        while quiet < QUIET and not self.refused:
            before = self.kafka.published
            self.kafka.mend_all()
            self.postgres.poison.clear()
            for worker in tuple(self.workers):
                self.work(worker)
            self.order_what_is_open()
            quiet = 0 if self.kafka.published > before else quiet + 1
        self.kafka.mend_all()
        if self.refused:
            return HistoryResult(self.find_fault_of_refusal(), True, self.kafka.published)
        return HistoryResult(self.find_fault(), False, self.kafka.published)

    # Moves.

    def begin(self) -> None:
        if len(self.postgres.active) < WRITERS:
            self.postgres.begin()

    def take_xid(self) -> None:
        if self.postgres.active:
            self.postgres.take_xid(self.chance.choice(self.postgres.active))

    def write(self) -> None:
        if self.postgres.active:
            transaction = self.chance.choice(self.postgres.active)
            self.postgres.insert(transaction, self.chance.randrange(KEYS))

    def end(self) -> None:
        if self.postgres.active:
            transaction = self.chance.choice(self.postgres.active)
            self.postgres.end(transaction, commit=self.chance.random() < 0.8)

    def work(self, worker: Worker | None = None) -> None:
        worker = worker or self.chance.choice(self.workers)
        if worker in self.frozen:
            return
        before, self.postgres.pause = self.postgres.pause, partial(self.pause, worker)
        try:
            worker.relay.run_once()
        except DiedError:
            self.replace(worker)
        finally:
            self.postgres.pause = before
        if worker.group.left:
            self.refused = True

    def pause(self, worker: Worker) -> None:
        """In the middle of its work with the ledger a worker may die, or others take over."""
        if not self.letters or self.chance.random() >= self.trouble:
            return
        if self.chance.random() < 0.3:
            raise DiedError
        failovers = self.postgres.failovers
        self.frozen.append(worker)
        self.replace(worker)
        for _ in range(self.chance.randrange(12)):
            self.work()
        self.chance.choice((self.cure, self.order_redrive, self.discard))()
        self.frozen.remove(worker)
        if self.postgres.failovers != failovers:
            raise psycopg.OperationalError("the server went away")

    def crash(self) -> None:
        """A worker dies and another takes its shards; or it is a zombie, and nobody hears of it."""
        dead = self.chance.choice(self.workers)
        self.replace(dead)
        if self.chance.random() < 0.5:
            self.work(dead)

    def stop(self) -> None:
        """A worker ends as after a signal, and another takes its shards."""
        leaver = self.chance.choice(self.workers)
        with suppress(DiedError):
            leaver.relay.close()
        self.replace(leaver)

    def replace(self, dead: Worker) -> None:
        """Another worker comes in the place of one that is no member any more."""
        if dead not in self.workers:
            return
        fresh = self.new_worker()
        self.workers[self.workers.index(dead)] = fresh
        self.kafka.members.discard(dead.name)
        for shard in [s for s, owner in self.kafka.owners.items() if owner is dead]:
            self.give(shard, fresh)

    def move_shard(self) -> None:
        shard = self.chance.randrange(SHARDS)
        old = self.kafka.owners[shard]
        new = self.chance.choice(self.workers)
        if old is new or not isinstance(old, Worker):
            return
        old.group.take({shard})
        self.work(old)
        if self.kafka.owners[shard] is old:
            self.give(shard, new)

    def mend(self) -> None:
        """Something that Kafka waited for is there again, or it waits no longer."""
        self.kafka.mend()

    def arrive(self) -> None:
        """A request comes that is late."""
        if self.kafka.late:
            self.kafka.arrive()

    def lose_connection(self) -> None:
        """The connections break, and the server has forgotten nothing."""
        self.postgres.failovers += 1

    def write_mirror(self) -> None:
        """Upkeep writes down what it has heard of what is published."""
        self.postgres.write_mirror(self.kafka.positions)

    def fail_over(self) -> None:
        """The server continues from an earlier point of its log."""
        length = self.postgres.wal_length()
        kept = length - min(length, int(self.chance.expovariate(0.3)))
        self.postgres.fail_over(kept)

    def poison(self) -> None:
        """Kafka will refuse some event that was written."""
        if self.postgres.rows:
            row = self.postgres.rows[self.chance.choice(sorted(self.postgres.rows)[-6:])]
            self.postgres.poison.add(row[3])

    def cure(self) -> None:
        """What was wrong is mended."""
        self.postgres.poison.clear()

    def order_parking(self) -> None:
        """A person has an event parked, which may be published."""
        rows = self.postgres.visible()
        if rows:
            row = self.chance.choice(rows[-6:])
            ledger.order(self.postgres, "park", row[2], row)

    def order_redrive(self) -> None:
        """A person has what is parked of a shard published."""
        ledger.order(self.postgres, "redrive", self.chance.randrange(self.postgres.shards))

    def order_what_is_open(self) -> None:
        """Nothing is left parked in the end."""
        entries, orders = self.postgres.ledger.entries, self.postgres.ledger.orders
        shards = {entries[n].letter.shard for n in self.postgres.ledger.open_ids()}
        asked = {each.shard for each in orders.values() if each.action == "redrive"}
        for shard in sorted(shards - asked):
            ledger.order(self.postgres, "redrive", shard)

    def discard(self) -> None:
        """A person gives up an event that is parked."""
        parked = self.postgres.ledger.open_ids()
        if parked:
            ledger.discard(self.postgres, self.chance.choice(parked))

    # Judgement.

    def find_fault(self) -> str:
        """Every surviving event exactly once, and per key in the order of its ids."""
        survivors = self.postgres.survivors()
        read: dict[str, int] = {}
        last: dict[str, tuple[int, Row]] = {}
        for row in self.kafka.log:
            if survivors.get(row[3]) != row:
                continue
            read[row[3]] = read.get(row[3], 0) + 1
            if read[row[3]] > 1:
                return f"repeated: {row}"
            before = last.get(row[5])
            if before is not None and before[0] > row[0]:
                return f"out of order: {row} after {before[1]}"
            last[row[5]] = (row[0], row)
        entries = self.postgres.ledger.entries.values()
        discarded = {each.letter.event_id for each in entries if each.state == "discarded"}
        if again := discarded & read.keys():
            return f"published although it was discarded: {survivors[min(again)]}"
        lost = survivors.keys() - read.keys() - discarded
        if lost:
            return f"lost: {survivors[min(lost)]}"
        if not self.lossy and self.kafka.published != len(survivors) - len(discarded):
            return "something was read that was never committed"
        return ""

    def find_fault_of_refusal(self) -> str:
        """A worker refuses only where a published event is gone, or what it rests on."""
        survivors = self.postgres.survivors()
        gone = any(survivors.get(row[3]) != row for row in self.kafka.log)
        for shard, (_, text) in self.kafka.positions.items():
            position = decode(text)
            gone = gone or position.ledger > self.postgres.ledger.shard(shard).number
            for witness in position.witnesses:
                row = self.postgres.rows.get(witness.id)
                gone = gone or row is None or Witness.of(row) != witness
        return "" if gone else "refused without need"


def run_history(seed: int, *, lossy: bool, steps: int = 80, letters: bool = False) -> HistoryResult:
    """The history of a seed; with `letters` events are parked, redriven and discarded."""
    return History(seed, lossy=lossy, letters=letters).run(steps)
