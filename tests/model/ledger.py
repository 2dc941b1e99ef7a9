"""The ledger of dead letters in the simulated table, and the statements of the relay over it.

Each statement is a moment at which its worker may die, or freeze while others take its shards over
and work on: what it does then, it does late.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from outbox_worker.relay import redrive
from outbox_worker.stores import dead_letter
from outbox_worker.stores.dead_letter import LedgerShard, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from outbox_worker.position.row import EventRow
    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.stores.dead_letter import Letter
    from outbox_worker.stores.outbox import Limits
    from tests.model.postgres import Postgres

CHUNK = 2
OPEN = ("parked", "redriving")


@dataclass(frozen=True)
class Entry:
    """A row of the ledger."""

    letter: Letter
    state: str
    number: int


@dataclass(frozen=True)
class Ledger:
    """All of it at one moment; each write makes another one, which goes into the log."""

    shards: Mapping[int, LedgerShard] = field(default_factory=dict)
    entries: Mapping[int, Entry] = field(default_factory=dict)
    orders: Mapping[int, Order] = field(default_factory=dict)
    last_order: int = 0

    def shard(self, shard: int) -> LedgerShard:
        return self.shards.get(shard, LedgerShard(0, 0))

    def open_ids(self) -> list[int]:
        return sorted(n for n, each in self.entries.items() if each.state in OPEN)

    def is_redriving(self, shard: int) -> bool:
        return any(
            each.state == "redriving" and each.letter.shard == shard
            for each in self.entries.values()
        )

    def with_shard(self, shard: int, now: LedgerShard) -> Ledger:
        return replace(self, shards={**self.shards, shard: now})

    def counted(self, shard: int) -> Ledger:
        now = self.shard(shard)
        return self.with_shard(shard, now._replace(number=now.number + 1))

    def with_entries(self, changed: Mapping[int, Entry]) -> Ledger:
        return replace(self, entries={**self.entries, **changed})

    def ordered(self, order: Order) -> Ledger:
        number = self.last_order + 1
        orders = {**self.orders, number: order._replace(id=number)}
        return replace(self, orders=orders, last_order=number)

    def without_order(self, number: int) -> Ledger:
        return replace(self, orders={n: each for n, each in self.orders.items() if n != number})


# What people do.


def order(postgres: Postgres, action: str, shard: int, row: EventRow | None = None) -> None:
    """Ask for one event of a shard, or for all of it."""
    event, event_xid = (None, None) if row is None else (row[0], row[1])
    given = Order(
        id=0,
        xid=postgres.draw_xid(),
        action=action,
        shard=shard,
        topic=None,
        key=None,
        event=event,
        event_xid=event_xid,
        to_topic=None,
        rate=None,
        reason="why",
        ordered_by="a person",
        is_parked=False,
    )
    postgres.write_ledger(postgres.ledger.ordered(given))


def discard(postgres: Postgres, event: int) -> None:
    """Give one up, where no redrive has it in hand."""
    entry = postgres.ledger.entries[event]
    if entry.state == "parked":
        gone = replace(entry, state="discarded")
        postgres.write_ledger(postgres.ledger.with_entries({event: gone}))


# What the relay's statements do.


def list_shards(postgres: Postgres, shards: Iterable[int]) -> dict[int, LedgerShard]:
    postgres.pause()
    return {shard: postgres.ledger.shard(shard) for shard in shards}


def raise_epochs(postgres: Postgres, shards: Iterable[int]) -> dict[int, LedgerShard]:
    postgres.pause()
    found = {}
    for shard in shards:
        now = postgres.ledger.shard(shard)
        found[shard] = now._replace(epoch=now.epoch + 1)
        postgres.write_ledger(postgres.ledger.with_shard(shard, found[shard]))
    postgres.pause()
    return found


def list_unpassed(postgres: Postgres, seen: Mapping[int, Snapshot]) -> list[tuple[int, int, int]]:
    letters = [each.letter for each in postgres.ledger.entries.values()]
    return [
        (each.id, each.xid, each.shard)
        for each in letters
        if each.shard in seen and not seen[each.shard].sees(each.xid)
    ]


def list_sequences(postgres: Postgres, shards: Collection[int]) -> list[tuple[int, str, str]]:
    found = [postgres.ledger.entries[n].letter for n in postgres.ledger.open_ids()]
    return [(each.shard, each.topic, each.key or "") for each in found if each.shard in shards]


def list_open(
    postgres: Postgres, sequences: Collection[tuple[int, str, str | None]]
) -> dict[tuple[str, str | None], int]:
    wanted = {(topic, key) for _, topic, key in sequences}
    found = [postgres.ledger.entries[n].letter for n in reversed(postgres.ledger.open_ids())]
    return {
        (each.topic, each.key or ""): each.id for each in found if (each.topic, each.key) in wanted
    }


def list_redriving(postgres: Postgres, shards: Iterable[int]) -> set[int]:
    return {shard for shard in shards if postgres.ledger.is_redriving(shard)}


def insert_events(
    postgres: Postgres, epochs: Mapping[int, int], letters: Sequence[Letter]
) -> dict[int, int]:
    postgres.pause()
    ledger = postgres.ledger
    mine = {
        shard
        for shard, epoch in epochs.items()
        if ledger.shard(shard).epoch == epoch and not ledger.is_redriving(shard)
    }
    for shard in mine:
        ledger = ledger.counted(shard)
    fresh = {
        each.id: Entry(each, "parked", ledger.shard(each.shard).number)
        for each in letters
        if each.shard in mine and each.id not in ledger.entries
    }
    postgres.write_ledger(ledger.with_entries(fresh))
    postgres.pause()
    return {shard: ledger.shard(shard).number for shard in mine}


def settle_redrives(postgres: Postgres, shard: int, epoch: int, number: int) -> int | None:
    postgres.pause()
    ledger = postgres.ledger
    if ledger.shard(shard).epoch != epoch:
        return None
    settled = {
        n: replace(each, state="redriven" if each.number <= number else "parked")
        for n, each in ledger.entries.items()
        if each.letter.shard == shard and each.state == "redriving"
    }
    postgres.write_ledger(ledger.counted(shard).with_entries(settled))
    return postgres.ledger.shard(shard).number


def list_redrivable(
    postgres: Postgres, given: Order, after: int, limits: Limits
) -> list[tuple[int, EventRow | None]]:
    postgres.pause()
    found = [
        n
        for n in postgres.ledger.open_ids()
        if postgres.ledger.entries[n].letter.shard == given.shard
        and postgres.ledger.entries[n].state == "parked"
        and n > after
    ]
    rows = {row[0]: row for row in postgres.visible()}
    some = found[: min(limits.rows, CHUNK)]
    return [(n, _same(postgres, n, rows)) for n in some]


def _same(postgres: Postgres, event: int, rows: Mapping[int, Any]) -> EventRow | None:
    """The row that was parked; another may have its id after a fail-over that lost it."""
    row: EventRow | None = rows.get(event)
    letter = postgres.ledger.entries[event].letter
    return row if row is not None and row[3] == letter.event_id else None


def has_earlier(postgres: Postgres, ids: Collection[int], after: int) -> bool:
    entries = postgres.ledger.entries
    keys = {(entries[n].letter.topic, entries[n].letter.key) for n in ids}
    early = [entries[n].letter for n in postgres.ledger.open_ids() if n <= after]
    return any((each.topic, each.key) in keys for each in early)


def mark_redriving(
    postgres: Postgres, epoch: int, given: Order, ids: Sequence[int]
) -> tuple[int | None, set[int]]:
    postgres.pause()
    ledger, shard = postgres.ledger, redrive.shard_of(given)
    if ledger.shard(shard).epoch != epoch or ledger.is_redriving(shard):
        return None, set()
    ledger = ledger.counted(shard)
    number = ledger.shard(shard).number
    chosen = {
        n: replace(ledger.entries[n], state="redriving", number=number)
        for n in ids
        if ledger.entries[n].state == "parked"
    }
    postgres.write_ledger(ledger.with_entries(chosen))
    postgres.pause()
    return number, set(chosen)


def mark_redriven(postgres: Postgres, given: Order, number: int) -> int:
    postgres.pause()
    done = {
        n: replace(each, state="redriven")
        for n, each in postgres.ledger.entries.items()
        if each.letter.shard == given.shard and each.number == number and each.state == "redriving"
    }
    postgres.write_ledger(postgres.ledger.with_entries(done))
    return len(done)


def mark_refused(postgres: Postgres, given: Order, *_: object) -> int:
    """The order is given up with the first refusal; people ask again."""
    postgres.write_ledger(postgres.ledger.without_order(given.id))
    return 1


def list_orders(postgres: Postgres, shards: Collection[int]) -> list[Order]:
    return [
        each._replace(is_parked=each.event in postgres.ledger.entries)
        for _, each in sorted(postgres.ledger.orders.items())
        if each.shard in shards
    ]


def end_order(postgres: Postgres, given: Order, _state: str, _outcome: str) -> int:
    postgres.write_ledger(postgres.ledger.without_order(given.id))
    return 1


def end_redrive(postgres: Postgres, given: Order) -> tuple[int, int, str | None]:
    postgres.write_ledger(postgres.ledger.without_order(given.id))
    return 0, 0, None


STATEMENTS: tuple[Callable[..., Any], ...] = (
    list_shards,
    raise_epochs,
    list_unpassed,
    list_sequences,
    list_open,
    list_redriving,
    insert_events,
    settle_redrives,
    list_redrivable,
    has_earlier,
    mark_redriving,
    mark_redriven,
    mark_refused,
    list_orders,
    end_order,
    end_redrive,
)


@contextmanager
def simulated_ledger() -> Iterator[None]:
    """The product's statements over the ledger ask the simulated one inside this block."""
    with ExitStack() as patches:
        for each in STATEMENTS:
            patches.enter_context(mock.patch.object(dead_letter, each.__name__, each))
        patches.enter_context(mock.patch.object(redrive, "LOOK_S", 0.0))
        patches.enter_context(mock.patch.object(redrive, "AGAIN_S", 0.0))
        yield
