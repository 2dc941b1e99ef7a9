"""Partitions that take no record now: a transaction that writes to one cannot end.

They have no leader, or fewer replicas in sync than their topic asks for. Kafka neither commits
nor aborts such a transaction before that is over, and no other with its transactional id may
begin. So an event for such a partition waits outside.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from outbox_worker.position.row import ID, KEY, TOPIC, EventRow
from outbox_worker.timing.outage import Outage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


ANY: Final = -1
"""In place of a partition: the partitioner chooses."""

NONE: Final[Mapping[int, int]] = {}

SEED: Final = 0x9747B28C
FACTOR: Final = 0x5BD1E995
WORD: Final = 0xFFFFFFFF
SIGN: Final = 0x7FFFFFFF

log = structlog.get_logger("relay")


class Gap(NamedTuple):
    """A topic of so many partitions, of which some take no record.

    `needed` is how many replicas it wants in sync where that is what some partitions lack.
    """

    partitions: int
    missing: frozenset[int]
    needed: int = 0


class Leaders:
    """What metadata last said of the topics that lack a leader, or replicas; empty while none does.

    For the relay's thread only.
    """

    def __init__(self) -> None:
        """Know of no gap."""
        self._gaps: dict[str, Gap] = {}
        self._thin: dict[str, tuple[int, Collection[int], Mapping[int, int]]] = {}
        self._needed: dict[str, int] = {}
        self._outages: dict[str, Outage] = {}

    @property
    def are_lacking(self) -> bool:
        """Whether some partition takes no record: only then is anything done for each event."""
        return bool(self._gaps)

    def note(
        self,
        topic: str,
        partitions: int,
        missing: Collection[int],
        in_sync: Mapping[int, int] = NONE,
    ) -> None:
        """Take what metadata says of a topic now.

        `missing` have no leader; `in_sync` tells how many replicas follow, of the partitions of
        which not all do.
        """
        if in_sync:
            self._thin[topic] = partitions, missing, in_sync
        else:
            self._thin.pop(topic, None)
            self._needed.pop(topic, None)
        needed = self._needed.get(topic, 0)
        short = {number for number, count in in_sync.items() if count < needed} - {*missing}
        before = self._gaps.get(topic)
        if missing or short:
            gap = Gap(partitions, frozenset({*missing, *short}), needed if short else 0)
            if before != gap and missing:
                log.warning("leaders_lost", topic=topic, partitions=sorted(missing))
            if before != gap and short:
                log.warning(
                    "replicas_lost", topic=topic, partitions=sorted(short), min_insync=needed
                )
            self._gaps[topic] = gap
            outage = self._outages.setdefault(topic, Outage())
            outage.begin("leaders_lost" if missing else "replicas_lost")
        elif self._gaps.pop(topic, None) is not None and (over := self._outages.pop(topic).end()):
            log.info("leaders_back", topic=topic, after=over.after, seconds=over.seconds)

    def wants(self, topic: str) -> bool:
        """Whether replicas do not follow, and nobody has asked yet how many the topic needs."""
        return topic in self._thin and topic not in self._needed

    def need(self, topic: str, replicas: int) -> None:
        """Take how many replicas in sync the topic asks for (`min.insync.replicas`)."""
        self._needed[topic] = replicas
        if topic in self._thin:
            self.note(topic, *self._thin[topic])

    def ask_anew(self) -> None:
        """How many the topics need that seemed to have enough may have been changed."""
        short = self.short
        self._needed = {topic: self._needed[topic] for topic in short}

    def needed(self, topic: str) -> int:
        """How many replicas it asks for where that is what keeps events out; else 0."""
        gap = self._gaps.get(topic)
        return gap.needed if gap else 0

    @property
    def short(self) -> list[str]:
        """The topics that have too few replicas."""
        return [topic for topic, gap in self._gaps.items() if gap.needed]

    def forget(self, topic: str) -> None:
        """Metadata knows the topic no more."""
        self._gaps.pop(topic, None)
        self._outages.pop(topic, None)
        self._thin.pop(topic, None)
        self._needed.pop(topic, None)

    def blocked(self, rows: Iterable[EventRow]) -> dict[int, list[int]]:
        """By event id the partitions that keep the event out of a transaction.

        An event without a key goes to a partition that takes it, while there is any.
        """
        found = {}
        for row in rows:
            gap = self._gaps.get(row[TOPIC])
            if gap is None:
                continue
            if row[KEY] is None:
                if len(gap.missing) >= gap.partitions:
                    found[row[ID]] = sorted(gap.missing)
            elif (partition := partition_of(row[KEY].encode(), gap.partitions)) in gap.missing:
                found[row[ID]] = [partition]
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
