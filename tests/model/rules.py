"""The rules of the protocol, each with a way to switch it off.

A rule that could be left out without a history noticing would be a habit, not a
rule. What is switched off is the product's code, from outside.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

from outbox_worker.position import validity
from outbox_worker.position.floor import FloorHistory
from outbox_worker.position.position import Position
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import reader, redrive
from outbox_worker.relay.dead_letters import DeadLetters
from outbox_worker.relay.position_lookup import PositionLookup
from outbox_worker.relay.takeover import Takeover
from outbox_worker.relay.transaction import Transactions
from outbox_worker.stores import dead_letter, outbox, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from outbox_worker.kafka.config import Config
    from outbox_worker.position.row import EventRow
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.position.validity import Table
    from outbox_worker.relay.reader import Batch
    from outbox_worker.stores import Connection
    from outbox_worker.stores.dead_letter import Letter, Order
    from outbox_worker.stores.outbox import Limits
    from tests.model.postgres import Postgres


def xid_order() -> AbstractContextManager[object]:
    """A batch in the order of xids instead of ids."""
    return mock.patch.object(reader, "id_of", itemgetter(1))


@contextmanager
def virtual_borders() -> Iterator[None]:
    """A batch too large is cut at a xid, as if a snapshot had been taken there."""
    honest = outbox.read_tail

    def cut(
        postgres: Postgres, seen: Mapping[int, Snapshot], limits: Limits
    ) -> tuple[Snapshot, list[EventRow]]:
        border, rows = honest(postgres, seen, limits)  # type: ignore[arg-type]  # the simulated table
        if len(rows) <= limits.rows:
            return border, rows
        last = rows[limits.rows - 1][1]
        kept = [row for row in rows if row[1] <= last]
        if len(kept) > limits.rows:
            return border, rows
        return border.tighten(last), kept

    with mock.patch.object(outbox, "read_tail", cut):
        yield


def no_floor_rule() -> AbstractContextManager[object]:
    """The floor is the highest id seen, whoever may still be writing below it."""

    def highest(floors: FloorHistory, _seen: Snapshot) -> int:
        return max((mark[1] for mark in floors._marks), default=0)

    return mock.patch.object(FloorHistory, "floor", highest)


@contextmanager
def floor_by_xmax() -> Iterator[None]:
    """A mark carries the xmax of a snapshot instead of a new xid."""

    def xmax(postgres: Postgres) -> int:
        return postgres.snapshot().xmax

    with mock.patch.object(server, "draw_xid", xmax):
        yield


def no_witness() -> AbstractContextManager[object]:
    """Positions are believed, whatever the table holds."""
    return mock.patch.object(validity, "why_invalid", return_value="")


def one_witness() -> AbstractContextManager[object]:
    """Only the row with the highest xid is asked for, not the one with the highest id."""
    honest = validity.why_invalid

    def lost(position: Position, table: Table) -> str:
        return honest(replace(position, last=position.top), table)

    return mock.patch.object(validity, "why_invalid", lost)


@contextmanager
def no_intersection() -> Iterator[None]:
    """A backlog keeps its border from before a fail-over as it is."""
    with (
        mock.patch.object(validity, "reconnect", lambda position, _fresh: position),
        mock.patch.object(validity, "reborder", lambda position, _fresh: position),
    ):
        yield


def no_stragglers() -> AbstractContextManager[object]:
    """A backlog gets a new border, and what came late below its cursor is forgotten."""
    return mock.patch.object(outbox, "read_stragglers", return_value=[])


def no_waiting_for_the_undecided() -> AbstractContextManager[object]:
    """Positions are read as they are, although an undecided transaction may still move them."""
    honest = Takeover._reader_config

    def hasty(takeover: Takeover, _isolation: str) -> Config:
        return honest(takeover, "read_uncommitted")

    return mock.patch.object(Takeover, "_reader_config", hasty)


def producers_used_again() -> AbstractContextManager[object]:
    """A producer continues after a commit of which nobody knows what became."""
    return mock.patch.object(Transactions, "_discard", return_value=None)


def stale_answers() -> AbstractContextManager[object]:
    """An answer counts that was given before the shard went away and came back."""

    def want(self: PositionLookup, shards: Iterable[int]) -> None:
        self._wanted |= set(shards)

    return mock.patch.multiple(PositionLookup, want=want, drop=lambda _self, _shards: None)


@contextmanager
def no_epochs() -> Iterator[None]:
    """Whoever writes to the ledger is taken for the owner of the shard."""
    park, drive = dead_letter.insert_events, dead_letter.mark_redriving

    def insert(
        postgres: Postgres, epochs: Mapping[int, int], letters: Sequence[Letter]
    ) -> dict[int, int]:
        now = {shard: postgres.ledger.shard(shard).epoch for shard in epochs}
        return park(postgres, now, letters)  # type: ignore[arg-type]  # the simulated table

    def mark(
        postgres: Postgres, _epoch: int, order: Order, ids: Sequence[int]
    ) -> tuple[int | None, set[int]]:
        epoch = postgres.ledger.shard(redrive.shard_of(order)).epoch
        return drive(postgres, epoch, order, ids)  # type: ignore[arg-type]  # the simulated table

    with mock.patch.multiple(dead_letter, insert_events=insert, mark_redriving=mark):
        yield


@contextmanager
def ledger_after_kafka() -> Iterator[None]:
    """What is parked is written down once the position has passed it."""
    park, passed = DeadLetters.park, DeadLetters.passed
    given: dict[int, object] = {}

    def keep(letters: DeadLetters, link: Connection, *_: object) -> bool:
        given[id(letters)] = link
        return True

    def write(letters: DeadLetters, batch: Batch) -> None:
        if batch.aside:
            nothing = CommittedPosition(0, Position(b"", ""))
            rested = {row[2]: nothing for row in batch.every}
            park(letters, given[id(letters)], batch, rested)  # type: ignore[arg-type]
        passed(letters, batch)

    with mock.patch.multiple(DeadLetters, park=keep, passed=write):
        yield


def nothing_behind() -> AbstractContextManager[object]:
    """Later events of a key with parked ones go out."""

    def look(*_: object) -> dict[tuple[str, str | None], int]:
        return {}

    return mock.patch.object(DeadLetters, "_look", look)


@contextmanager
def redrives_believed(ledger: float) -> Iterator[None]:
    """What became of a redrive is not asked from the position in Kafka."""
    honest = dead_letter.settle_redrives

    def settle(postgres: Postgres, shard: int, epoch: int, _ledger: int) -> int | None:
        return honest(postgres, shard, epoch, ledger)  # type: ignore[arg-type]  # simulated

    with mock.patch.object(dead_letter, "settle_redrives", settle):
        yield


def rows_do_not_bind() -> AbstractContextManager[object]:
    """A row of the ledger counts only while its key is open, not by itself."""
    return mock.patch.object(dead_letter, "list_unpassed", return_value=[])


def redriven_before_passed() -> AbstractContextManager[object]:
    """An event is redriven although its position has not passed it, and what is before it."""
    return mock.patch.object(DeadLetters, "is_bound", return_value=False)


@contextmanager
def ledger_after_claim() -> Iterator[None]:
    """The ledger of a shard is taken over once Kafka has accepted the claim."""
    enter, own = DeadLetters.enter, DeadLetters.own

    def wait(
        letters: DeadLetters, _link: Connection, known: Mapping[int, CommittedPosition]
    ) -> frozenset[int]:
        return frozenset(shard for shard in known if shard not in letters._epochs)

    def take(
        letters: DeadLetters, link: Connection, owned: Mapping[int, CommittedPosition]
    ) -> bool:
        enter(letters, link, owned)
        return own(letters, link, owned)

    with mock.patch.multiple(DeadLetters, enter=wait, own=take):
        yield


def lost_ledgers_believed() -> AbstractContextManager[object]:
    """A ledger that has lost rows is taken for whole."""
    return mock.patch.object(validity, "has_lost", return_value=False)


class Rule(NamedTuple):
    """How to switch a rule off, and whether it takes fail-overs that lose something to notice.

    Few histories notice some of them; the search begins where it was seen to end soon.
    """

    switch: Callable[[], AbstractContextManager[object]]
    lossy: bool
    first: int = 0
    letters: bool = False


RULES: dict[str, Rule] = {
    "batches go out in id order": Rule(xid_order, False, 170),
    "borders are real snapshots": Rule(virtual_borders, False, 70),
    "a backlog begins at the floor": Rule(no_floor_rule, False, 125),
    "a floor is marked by a drawn xid": Rule(floor_by_xmax, False, 2890),
    "witnesses are looked for": Rule(no_witness, True, 205),
    "old borders are intersected": Rule(no_intersection, True, 8845),
    "stragglers go out first": Rule(no_stragglers, False, 315),
    "pending positions are waited for": Rule(no_waiting_for_the_undecided, False, 160),
    "a producer that may have committed is left": Rule(producers_used_again, False),
    "answers from before a rebalance do not count": Rule(stale_answers, False, 1145),
    "a write to the ledger names its epoch": Rule(no_epochs, False, 745, letters=True),
    "the ledger comes before Kafka": Rule(ledger_after_kafka, False, letters=True),
    "later events of a key are behind": Rule(nothing_behind, False, letters=True),
    "a redrive is not believed": Rule(partial(redrives_believed, 10**9), False, letters=True),
    "a redrive is not forgotten": Rule(partial(redrives_believed, -1), False, letters=True),
    "a row of the ledger binds": Rule(rows_do_not_bind, False, letters=True),
    "what is redriven was passed": Rule(redriven_before_passed, False, 240, letters=True),
    "the ledger is taken over first": Rule(ledger_after_claim, False, 325, letters=True),
    "a ledger that lost rows is noticed": Rule(lost_ledgers_believed, True, letters=True),
}
