"""Partitions that have no leader now: a transaction that writes to one cannot end.

Kafka neither commits nor aborts it before the leader is back, and no other with its
transactional id may begin. So an event for such a partition waits outside.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from outbox_worker.stores.outbox import TOPIC

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from outbox_worker.stores.outbox import EventRow

ANY: Final = -1
"""In place of a partition: the partitioner chooses."""

SEED: Final = 0x9747B28C
FACTOR: Final = 0x5BD1E995
WORD: Final = 0xFFFFFFFF
SIGN: Final = 0x7FFFFFFF

log = structlog.get_logger("relay")


class Gap(NamedTuple):
    """A topic of so many partitions, of which some have no leader."""

    partitions: int
    missing: frozenset[int]


class Leaders:
    """What metadata last said of the topics that lack a leader; empty while none does.

    For the relay's thread only.
    """

    def __init__(self) -> None:
        """Know of no gap."""
        self._gaps: dict[str, Gap] = {}

    @property
    def are_lacking(self) -> bool:
        """Whether some partition has no leader: only then is anything done for each event."""
        return bool(self._gaps)

    def note(self, topic: str, partitions: int, missing: Collection[int]) -> None:
        """Take what metadata says of a topic now."""
        if missing:
            gap = Gap(partitions, frozenset(missing))
            if self._gaps.get(topic) != gap:
                log.warning("leaders_lost", topic=topic, partitions=sorted(missing))
            self._gaps[topic] = gap
        elif self._gaps.pop(topic, None) is not None:
            log.info("leaders_back", topic=topic)

    def forget(self, topic: str) -> None:
        """Metadata knows the topic no more."""
        self._gaps.pop(topic, None)

    def blocked(self, rows: Iterable[EventRow]) -> dict[int, list[int]]:
        """By event id the partitions without a leader that keep the event out of a transaction.

        An event without a key goes to a partition that has one, while there is any.
        """
        found = {}
        for row in rows:
            gap = self._gaps.get(TOPIC(row))
            if gap is None:
                continue
            if row[5] is None:
                if len(gap.missing) >= gap.partitions:
                    found[row[0]] = sorted(gap.missing)
            elif (partition := partition_of(row[5].encode(), gap.partitions)) in gap.missing:
                found[row[0]] = [partition]
        return found

    def place(self, topic: str, key: str | None) -> int:
        """Where to send an event that is not blocked: `ANY`, or a partition that has a leader."""
        gap = self._gaps.get(topic)
        if gap is None or key is not None:
            return ANY
        left = [n for n in range(gap.partitions) if n not in gap.missing]
        return random.choice(left)  # noqa: S311  spread, not secret


def partition_of(key: bytes, partitions: int) -> int:
    """Where the partitioner `murmur2_random`, and Java's own, puts a key."""
    return (murmur2(key) & SIGN) % partitions


def murmur2(data: bytes) -> int:
    """The hash of Kafka's clients: 32 bits of murmur2, little-endian."""
    value = (SEED ^ len(data)) & WORD
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * FACTOR & WORD
        word = (word ^ word >> 24) * FACTOR & WORD
        value = (value * FACTOR & WORD) ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * FACTOR & WORD
    value = (value ^ value >> 13) * FACTOR & WORD
    return value ^ value >> 15
