"""A position as text for Kafka's offset metadata, and back.

One character of form, then base 64 of varints, compressed where they are many:
ascending numbers are written as differences, so that a snapshot with 2,000
transactions in progress takes about half of what Kafka allows.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Final

from outbox_worker.errors import HistoryLostError, SchemaVersionError, WorkFailedError
from outbox_worker.position.position import Backlog, Position, Witness
from outbox_worker.position.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST: Final = 4_000
"""Characters of an encoded position: Kafka takes 4,096 (`offset.metadata.max.bytes`)."""

ROOM: Final = 500
"""What a new position without a backlog leaves free: its snapshot stays as it is while a worker
with a longer name claims it and a backlog is published after it. With that name and the border
of the backlog it must fit once all others have ended."""

PLAIN: Final = "1"
PACKED: Final = "2"
PLAIN_WITH_LEDGER: Final = "4"
PACKED_WITH_LEDGER: Final = "5"
"""The same with a number of the ledger of dead letters at the end. A worker that does not know the
ledger would publish what is parked: it refuses these forms as of another version."""

FORMS: Final = frozenset({PLAIN, PACKED, PLAIN_WITH_LEDGER, PACKED_WITH_LEDGER})
SHORT: Final = 256
"""Bytes below which compressing takes longer than it saves."""

DIGEST: Final = 6

LOW: Final = 0x7F
"""The bits of a byte that carry the number; the highest says that more follow."""


class PositionTooLargeError(WorkFailedError):
    """The snapshot has too many transactions in progress to be kept in Kafka."""

    def __init__(self, in_progress: int, size: int) -> None:
        """Say how many there are, and how long the position is with them."""
        super().__init__(
            f"A snapshot with {in_progress} transactions in progress takes {size} characters, "
            f"more than the {LARGEST} that Kafka keeps of a position",
            "End idle transactions (see pg_stat_activity and pg_prepared_xacts)",
        )
        self.in_progress = in_progress


class UnreadablePositionError(HistoryLostError):
    """Something else than a worker wrote a position: it says nothing of what is published."""

    def __init__(self, text: str) -> None:
        """Show what stands there instead."""
        super().__init__(
            f"A position in Kafka is not of this program ({text[:40]!r}): somebody reset the "
            "offsets of the group of workers, or committed others; nothing is published",
            "Run `outbox-worker rebase` (it shows its plan) and `outbox-worker rebase --execute`: "
            "it finds out event by event what is published",
        )


def encode(position: Position, *, is_new: bool = False) -> str:
    """The position as text of at most `LARGEST` characters; `PositionTooLargeError`.

    One with a snapshot that is new leaves `ROOM` for what comes after it.
    """
    backlog = position.backlog
    data = bytearray(position.system)
    _put_bytes(data, position.owner.encode())
    _put(data, (position.floor,))
    _put_snapshot(data, position.seen)
    _put(data, (backlog is not None,))
    if backlog is not None:
        _put_snapshot(data, backlog.upper)
        _put(data, (backlog.cursor,))
    _put(data, (position.top is not None,))
    if position.top is not None and position.last is not None:
        _put_witness(data, position.top)
        _put_witness(data, position.last)
    if position.ledger:
        _put(data, (position.ledger,))
    text = _pack(data, with_ledger=bool(position.ledger))
    if len(text) > (LARGEST - ROOM if is_new and backlog is None else LARGEST):
        upper = () if backlog is None else backlog.upper.xip
        raise PositionTooLargeError(max(len(position.seen.xip), len(upper)), len(text))
    return text


def decode(text: str) -> Position:
    """Read what `encode` wrote.

    `SchemaVersionError` where a newer version did, `UnreadablePositionError` where none did.
    """
    form = text[:1]
    if form.isdecimal() and form not in FORMS:
        raise SchemaVersionError(
            f"The positions in Kafka are of another version of this program ({form!r})",
            "Run the newest version of outbox-worker everywhere",
        )
    try:
        body = base64.b64decode(text[1:], validate=True)
        is_packed = form in {PACKED, PACKED_WITH_LEDGER}
        data = _Source(zlib.decompress(body) if is_packed else body)
        return _read(data, with_ledger=form in {PLAIN_WITH_LEDGER, PACKED_WITH_LEDGER})
    except (ValueError, IndexError, zlib.error) as error:
        raise UnreadablePositionError(text) from error


def _read(data: _Source, *, with_ledger: bool) -> Position:
    system = data.take(4)
    owner = data.take(data.number()).decode()
    floor = data.number()
    seen = data.snapshot()
    backlog = Backlog(data.snapshot(), data.number()) if data.number() else None
    top, last = (data.witness(), data.witness()) if data.number() else (None, None)
    ledger = data.number() if with_ledger else 0
    return Position(system, owner, seen, backlog, floor, top, last, ledger)


def _pack(data: bytearray, *, with_ledger: bool) -> str:
    plain, packed = (PLAIN_WITH_LEDGER, PACKED_WITH_LEDGER) if with_ledger else (PLAIN, PACKED)
    if len(data) < SHORT:
        return plain + base64.b64encode(data).decode()
    return packed + base64.b64encode(zlib.compress(data, 9)).decode()


def _put(data: bytearray, numbers: Iterable[int]) -> None:
    """Append numbers, seven bits a byte, the lowest first (LEB128)."""
    for number in numbers:
        rest = int(number)
        while rest > LOW:
            data.append(rest & LOW | ~LOW & 0xFF)
            rest >>= 7
        data.append(rest)


def _put_bytes(data: bytearray, value: bytes) -> None:
    _put(data, (len(value),))
    data += value


def _put_witness(data: bytearray, witness: Witness) -> None:
    _put(data, (witness.xid, witness.id))
    data += witness.digest


def _put_snapshot(data: bytearray, snapshot: Snapshot) -> None:
    _put(data, (snapshot.xmin, snapshot.xmax - snapshot.xmin, len(snapshot.xip)))
    before = snapshot.xmin
    for xid in snapshot.xip:
        _put(data, (xid - before,))
        before = xid


class _Source:
    """Reads what was put, in the same order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & LOW) << shift
            if byte <= LOW:
                return value
            shift += 7

    def snapshot(self) -> Snapshot:
        xmin, width, count = self.number(), self.number(), self.number()
        xip, xid = [], xmin
        for _ in range(count):
            xid += self.number()
            xip.append(xid)
        return Snapshot(xmin, xmin + width, tuple(xip))

    def witness(self) -> Witness:
        return Witness(self.number(), self.number(), self.take(DIGEST))
