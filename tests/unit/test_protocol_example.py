"""The example in the docstring of `outbox_worker.relay`, with the code of the positions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from outbox_worker import relay
from outbox_worker.position.floor import FloorHistory
from outbox_worker.position.position import Backlog, Place, Position, advance, summarize
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.position.validity import reborder, reconnect
from outbox_worker.settings import Settings

if TYPE_CHECKING:
    from outbox_worker.position.position import Row

SHARD: Final = 5
BEFORE: Final = Position(b"", "worker", Snapshot.parse("100:100:"))
ROWS: Final = {11: 100, 12: 101, 13: 102, 14: 104} | dict.fromkeys(range(15, 12_515), 105)
"""By id the transaction that inserts the row."""


def row(number: int) -> Row:
    return number, ROWS[number], SHARD, str(UUID(int=number << 96))


def shown(fresh: Snapshot, position: Position) -> list[int]:
    """The ids that a read with the snapshot `fresh` brings."""
    return [n for n, xid in ROWS.items() if fresh.sees(xid) and not position.published(xid, n)]


def published(before: Position, ids: list[int], place: Place) -> Position:
    return advance(before, summarize([row(number) for number in ids])[SHARD], place)


def to_border(before: Position, fresh: str) -> tuple[list[int], Position]:
    """A read that fits in one batch: what it brings, and the position after it."""
    upper = Snapshot.parse(fresh)
    ids = shown(upper, before)
    return ids, published(before, ids, Place(before.seen, upper, None, before.floor))


def is_told(*pieces: str) -> bool:
    """Whether the docstring says this, wherever its lines end."""
    text = " ".join((relay.__doc__ or "").split())
    return all(piece in text for piece in pieces)


def test_a_transaction_that_is_open_delays_its_own_row_alone() -> None:
    ids, first = to_border(BEFORE, "100:103:100")
    assert (ids, str(first.seen)) == ([12, 13], "100:103:100")
    assert [(witness.xid, witness.id) for witness in first.witnesses] == [(102, 13)]
    ids, second = to_border(first, "103:103:")
    assert (ids, str(second.seen)) == ([11], "103:103:")
    assert is_told("S = 100:100:", "S' = 100:103:100", "row 13 of transaction 102", "103:103:")


def test_a_position_says_nothing_of_transactions_above_its_witness() -> None:
    wide = Snapshot.parse("100:110:100,105")
    position = published(BEFORE, [12, 13], Place(BEFORE.seen, wide, None, BEFORE.floor))
    assert str(position.seen) == "100:103:100"
    assert is_told("had S' been 100:110:100,105, Kafka would hold 100:103:100")


def test_a_crash_on_either_side_of_the_commit_repeats_and_loses_nothing() -> None:
    ended = Snapshot.parse("103:103:")
    _, committed = to_border(BEFORE, "100:103:100")
    assert shown(ended, BEFORE) == [11, 12, 13]
    assert shown(ended, committed) == [11]
    assert is_told("It reads 12 and 13 again, and 11 if 100 has committed")


def backlog() -> list[Position]:
    """The positions of the backlog, chunk by chunk; the last is at its border."""
    _, position = to_border(BEFORE, "100:103:100")
    _, position = to_border(position, "103:103:")
    floors = FloorHistory()
    floors.mark(103, 13)
    memory, border = Snapshot.parse("104:104:"), Snapshot.parse("104:106:104")
    assert (floors.floor(Snapshot.parse("102:104:102")), floors.floor(memory)) == (0, 13)
    most = Settings.model_fields["batch_rows"].default
    after = []
    while len(ids := shown(border, position)) >= most:
        place = Place(memory, border, ids[most - 1], floors.floor(memory))
        position = published(position, ids[:most], place)
        after.append(position)
    position = published(position, ids, Place(memory, border, None, floors.floor(border)))
    return [*after, position]


def test_a_backlog_is_published_up_to_its_border_by_a_cursor() -> None:
    first, second, last = backlog()
    border = Snapshot.parse("104:106:104")
    assert (str(first.seen), first.floor) == ("103:103:", 13)
    assert first.backlog == Backlog(border, 5_014)
    assert second.backlog == Backlog(border, 10_014)
    assert (last.seen, last.backlog) == (border, None)
    assert shown(Snapshot.parse("106:106:"), last) == [14]
    assert is_told("S = 103:103: (tight), border 104:106:104 and *cursor* 5,014")
    assert is_told("second with cursor 10,014", "ends with position 104:106:104")


def test_a_straggler_goes_out_before_the_border_moves() -> None:
    first = backlog()[0]
    fresh = Snapshot.parse("106:106:")
    known = reconnect(first, fresh)
    assert known == first
    assert shown(fresh, replace(known, backlog=None))[0] == 14
    late = reborder(known, fresh)
    assert late.backlog is not None
    place = Place(late.seen, late.backlog.upper, late.backlog.cursor, late.floor)
    after = published(late, [14], place)
    assert after.backlog == Backlog(fresh, 5_014)
    assert shown(fresh, after)[0] == 5_015
    assert is_told("a *straggler*", "the border becomes 106:106:", "begins above 5,014")
