"""The algebra of snapshots, and positions as text."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox_worker.errors import HistoryLostError, SchemaVersionError
from outbox_worker.position.codec import LARGEST, PositionTooLargeError, decode, encode
from outbox_worker.position.position import Backlog, Position, Witness, digest_of
from outbox_worker.position.snapshot import NOTHING, Snapshot

XIDS = st.integers(3, 60)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    xmax = draw(XIDS)
    xip = tuple(sorted(draw(st.sets(st.integers(3, 60))) & set(range(3, xmax))))
    return Snapshot(xip[0] if xip else xmax, xmax, xip)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    numbers = st.integers(0, 2**63 - 1)
    top = Witness(draw(numbers), draw(numbers), draw(st.binary(min_size=6, max_size=6)))
    last = Witness(draw(numbers), draw(numbers), draw(st.binary(min_size=6, max_size=6)))
    known = draw(st.booleans())
    return Position(
        draw(st.binary(min_size=4, max_size=4)),
        draw(st.text(max_size=100)),
        draw(snapshots()),
        draw(st.none() | st.builds(Backlog, snapshots(), numbers)),
        draw(numbers),
        top if known else None,
        last if known else None,
    )


@given(snapshots())
def test_text_form_is_read_back(snapshot: Snapshot) -> None:
    assert Snapshot.parse(str(snapshot)) == snapshot


def test_text_form_is_that_of_postgres() -> None:
    snapshot = Snapshot.parse("10:20:10,14,15")
    assert [xid for xid in range(8, 22) if snapshot.sees(xid)] == [8, 9, 11, 12, 13, 16, 17, 18, 19]


@given(snapshots(), snapshots(), XIDS)
def test_an_intersection_sees_what_both_see(a: Snapshot, b: Snapshot, xid: int) -> None:
    assert a.intersect(b).sees(xid) == (a.sees(xid) and b.sees(xid))


@given(snapshots(), XIDS, XIDS)
def test_the_tight_form_selects_the_same_rows(snapshot: Snapshot, highest: int, xid: int) -> None:
    """Rows visible in the snapshot have xids up to `highest`; nothing above it is promised."""
    tight = snapshot.tighten(highest)
    if xid <= highest:
        assert tight.sees(xid) == snapshot.sees(xid)
    else:
        assert not tight.sees(xid)


@given(XIDS)
def test_nothing_sees_no_row(xid: int) -> None:
    assert not NOTHING.sees(xid)


@given(positions())
def test_an_encoded_position_is_read_back(position: Position) -> None:
    assert decode(encode(position)) == position


def crowd(count: int, spread: int) -> Snapshot:
    """A snapshot with many in progress, as far apart as xids of a busy server are."""
    chance = random.Random(count)
    xip = tuple(sorted(chance.sample(range(10**9, 10**9 + count * spread), count)))
    return Snapshot(xip[0], xip[-1] + 1, xip)


def test_two_thousand_transactions_in_progress_fit_even_in_a_backlog() -> None:
    seen = crowd(2_000, 20)
    later = Snapshot(seen.xmin, seen.xmax + 500, seen.xip)
    witness = Witness(10**9, 10**9, b"sixsix")
    owner = "outbox-worker." + "h" * 40 + ".12345678"
    position = Position(b"four", owner, seen, Backlog(later, 10**12), 10**12, witness, witness)
    assert len(encode(position)) <= LARGEST


def test_what_was_new_fits_whoever_claims_it_and_with_a_backlog_after_it() -> None:
    """Nothing but its name and the border comes to a position while its snapshot stays."""
    witness = Witness(10**9, 10**9, b"sixsix")
    for count in range(1_000, 4_000, 25):
        new = Position(b"four", "w", crowd(count, 20), None, 10**9, witness, witness)
        try:
            encode(new, is_new=True)
        except PositionTooLargeError:
            assert count > 2_000
            return
        last = Witness(10**15, 10**15, b"sixsix")
        border = Backlog(Snapshot(10**15, 10**15), 10**15)
        taken = replace(
            new,
            owner="".join(random.Random(1).choices("abcdefghij0123456789.-", k=250)),
            backlog=border,
            floor=10**15,
            top=last,
            last=last,
        )
        assert decode(encode(taken)) == taken
    raise AssertionError("nothing was too large")


def test_more_than_fits_is_said_with_their_number() -> None:
    with pytest.raises(PositionTooLargeError, match="9000 transactions in progress"):
        encode(Position(b"four", "owner", crowd(9_000, 900)))


def test_a_position_of_another_version_is_refused() -> None:
    with pytest.raises(SchemaVersionError, match="another version"):
        decode("9abc")


@pytest.mark.parametrize("text", ["", "{}", "1", "1AAAA", "1!!!!", "2AAAA", "1/////////////w=="])
def test_what_no_worker_wrote_is_refused_like_a_lost_history(text: str) -> None:
    with pytest.raises(HistoryLostError, match="not of this program"):
        decode(text)


def test_a_position_says_what_is_published() -> None:
    position = Position(b"four", "", Snapshot(5, 5), Backlog(Snapshot(7, 9, (7,)), 100))
    assert position.published(4, 10**9)
    assert position.published(6, 100)
    assert not position.published(6, 101)
    assert not position.published(7, 1)
    assert not position.published(9, 1)


def test_a_digest_is_the_first_six_bytes() -> None:
    assert digest_of("01020304-0506-0708-090a-0b0c0d0e0f10") == bytes(range(1, 7))
