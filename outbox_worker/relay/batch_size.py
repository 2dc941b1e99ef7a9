"""How much one transaction may hold, so that it ends in its time also on a thin link.

The settings bound a batch for a link that carries it. Where one does not (a quota of the
broker, a line between two sites), a transaction of that size runs into its time-out, and so
would the same again. What came of the transactions so far decides how large the next one is.
It is no part of a position: what throws the relay's memory away keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from outbox_worker.position.row import ID, SHARD, SIZE, TOPIC, EventRow, size_of
from outbox_worker.relay.creation import Closed
from outbox_worker.settings import TRANSACTION_TIMEOUT_MS
from outbox_worker.stores.outbox import Limits
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence


RECORD_BYTES: Final = 400
"""What a record takes beside its payload and the writer's headers: ours, and the key."""

LEAST: Final = 64_000
"""Bytes that a batch may have on any link: 6.4 kB/s carry them in the time of a transaction."""

TRANSACTION_S: Final = TRANSACTION_TIMEOUT_MS / 1_000

LOST: Final = 0.8
"""Of the time of a transaction. One that fails later than that failed for want of time, whatever
the error is called: the client's time-out of a record, the coordinator's of the transaction, or
that we are fenced."""

SLOW: Final = 0.5
"""Of that time, what a batch should take at most."""

QUICK: Final = 0.25
"""One that took no more of it may be followed by one twice as large."""

BLIND: Final = 16
"""By so much a batch shrinks of which nothing arrived in its time. 8 MB become 500 kB, which
100 kB/s carry in time; to halve would take four more time-outs to get there."""

ALONE: Final = 2
"""So many times an event has to fail alone before it is named: the first may be an accident."""

FIRST_REST_S: Final = 15.0
LONGEST_REST_S: Final = 600.0
"""Until such an event is tried again, doubled from the first to the longest: each try takes the
time of a transaction from all other shards."""

log = structlog.get_logger("relay")


def weight(rows: Sequence[EventRow]) -> int:
    """About how many bytes these are on the wire, were they not compressed."""
    payloads: int = sum(map(size_of, rows))
    return payloads + RECORD_BYTES * len(rows)


@dataclass(frozen=True, slots=True)
class _TooSlow:
    """An event that needs longer than a transaction lasts."""

    event: int
    tries: int
    rest: Deadline


class BatchSize:
    """The bound of the next batch: that of the settings, or less while transactions time out."""

    def __init__(self, most: Limits, transaction_s: float = TRANSACTION_S) -> None:
        """`most` is what the settings allow, `transaction_s` how long a transaction may last."""
        self._most = most
        self._lasts = transaction_s
        self._full = 2 * max(most.bytes, RECORD_BYTES * most.rows)
        self._bytes: int | None = None
        self._slow: dict[int, _TooSlow] = {}

    @property
    def limits(self) -> Limits:
        """What the next batch may hold: half of the bytes for payloads, half for the rest."""
        if self._bytes is None:
            return self._most
        half = self._bytes // 2
        return Limits(min(self._most.rows, half // RECORD_BYTES), min(self._most.bytes, half))

    def admits(self, rows: Sequence[EventRow]) -> bool:
        """Whether a batch that was read before is still small enough."""
        return self._bytes is None or len(rows) <= 1 or not self.limits.exceeded_by(rows)

    def committed(self, rows: Sequence[EventRow], seconds: float) -> None:
        """A transaction with these rows took so long."""
        if self._slow:
            events = {row[ID] for row in rows}
            self._slow = {n: each for n, each in self._slow.items() if each.event not in events}
        share = seconds / self._lasts
        if share > SLOW:
            size = weight(rows)
            self._shrink(int(size * SLOW / share), size, seconds)
        elif self._bytes is not None and share <= QUICK and 4 * weight(rows) >= self._bytes:
            self._grow(self._bytes * 2)

    def failed(self, rows: Sequence[EventRow], seconds: float, delivered: int) -> None:
        """A transaction with these rows failed after so long; so many of them had arrived."""
        size = weight(rows)
        if seconds < LOST * self._lasts or size <= LEAST:
            return
        arrived = size * delivered / len(rows) * SLOW
        self._shrink(int(min(arrived, size / 2) if delivered else size / BLIND), size, seconds)
        if len(rows) == 1:
            self._note_alone(rows[0])

    def too_slow(self, rows: Sequence[EventRow]) -> dict[int, Closed]:
        """By id, those of the rows that alone take longer than a transaction, while they rest."""
        if not self._slow:
            return {}
        resting = {
            each.event
            for each in self._slow.values()
            if each.tries >= ALONE and not each.rest.passed
        }
        return {row[ID]: self._closed(row) for row in rows if row[ID] in resting}

    def _note_alone(self, row: EventRow) -> None:
        known = self._slow.get(row[SHARD])
        tries = known.tries + 1 if known and known.event == row[ID] else 1
        rest = min(FIRST_REST_S * 2 ** max(0, tries - ALONE), LONGEST_REST_S)
        self._slow[row[SHARD]] = _TooSlow(row[ID], tries, Deadline(rest))

    def _shrink(self, wanted: int, size: int, seconds: float) -> None:
        wanted = max(wanted, LEAST)
        if wanted >= min(self._bytes or self._full, self._full):
            return
        if self._bytes is None:
            log.warning(
                "batches_shrunk",
                bytes=size,
                seconds=round(seconds, 1),
                next_bytes=wanted,
                reason=f"a transaction has {self._lasts:g} s, and this one took most of it "
                "or failed for want of time",
                hint="Look at the link to the brokers and at quotas of this client; batches "
                "grow back by themselves as it gets better. If it is always so thin, set "
                "OUTBOX_BATCH_BYTES to what it carries in a few seconds",
            )
        self._bytes = wanted

    def _grow(self, wanted: int) -> None:
        self._bytes = wanted
        if wanted >= self._full:
            self._bytes = None
            log.info("batches_grown", bytes=self._most.bytes)

    def _closed(self, row: EventRow) -> Closed:
        return Closed(
            f"the event has {row[SIZE]:,} bytes and alone does not reach Kafka within the "
            f"{self._lasts:g} s that a transaction may last",
            f"Look at the link to the brokers, at quotas of this client and at the leaders of "
            f"topic {row[TOPIC]}; it is tried again, at most {LONGEST_REST_S / 60:g} minutes apart",
        )
