"""What a transaction can come to: a closed set of frozen types, and the records they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from outbox_worker.position.row import KEY, PAYLOAD, TOPIC, EventRow

Record: TypeAlias = tuple[str, bytes | None, bytes | None]
"""Topic, key and value (None where empty): librdkafka tells no more of a failed delivery."""

NO_RECORD: Final = 0
"""The code, which is none of Kafka's, of a rejection of what cannot even be made a record."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Records and positions are in Kafka."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Aborted:
    """Nothing is in Kafka, and there is a producer; our place in the group may be stale.

    `code` is Kafka's for the reason, here and below; 0 where Kafka said nothing.
    """

    reason: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Nothing is in Kafka, there is a producer, and where we stand is as before: try again."""

    reason: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing is in Kafka, because of records that it does not take; there is a producer.

    They are of one or more of `topics`, and among `records` (topic, key and value) where Kafka
    named some: it refuses all that it got of one partition together. `code` may be `NO_RECORD`.
    Where a right on a topic is missing, it may instead be that on the anchor topic: Kafka does
    not say which.
    """

    reason: str
    code: int
    topics: frozenset[str]
    records: frozenset[Record] = frozenset()

    def doubts(self, row: EventRow) -> bool:
        """Whether it may be this one that is refused."""
        if self.records:
            return record_of(row) in self.records
        return row[TOPIC] in self.topics


@dataclass(frozen=True, slots=True)
class Discarded:
    """The outcome is unknown, or we are fenced, or in doubt: the producer is gone, ask Kafka.

    With `topics` it would have been `Rejected`, had the transaction been aborted.
    """

    reason: str
    code: int = 0
    topics: frozenset[str] = frozenset()


TransactionOutcome: TypeAlias = Committed | Aborted | Interrupted | Rejected | Discarded


def record_of(row: EventRow) -> Record:
    """A row as librdkafka tells of it where its delivery failed."""
    return row[TOPIC], as_bytes(row[KEY]), row[PAYLOAD] or None


def as_bytes(text: str | bytes | None) -> bytes | None:
    """Key or value as such a record has it; None where it is empty."""
    return (text.encode() if isinstance(text, str) else text) or None
