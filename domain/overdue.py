"""What the teacher did not decide in time is decided for the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain import events
from domain.context import Context
from domain.readiness import ready_if_decided
from domain.stores import association
from domain.stores.association import Signature

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from domain.context import Connection

VALIDATED_BY: Final = "timeout"
"""Who decided, where it was nobody."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What one round decided: essays with and without a student, batches that it completed."""

    confirmed: int
    no_student: int
    completed: int

    @property
    def essays(self) -> int:
        """How many essays were decided."""
        return self.confirmed + self.no_student

    def __add__(self, other: Decided) -> Decided:
        return Decided(
            self.confirmed + other.confirmed,
            self.no_student + other.no_student,
            self.completed + other.completed,
        )


def decide_overdue(
    connection: Connection,
    *,
    timeout: timedelta,
    min_score: float,
    now: datetime,
    topic_prefix: str = events.TOPIC_PREFIX,
    rows: int = 200,
) -> Decided | None:
    """Decide up to `rows` essays whose suggestion is `timeout` old, in a transaction of its own.

    None where no such essay is left that nobody else works on: until then call it again.
    Any number of workers may do so at once; what a person decides first stands. The
    events carry the correlation id of the batch's registration.
    """
    with connection.transaction():
        claimed = association.claim_overdue(connection, now - timeout, rows)
        if not claimed:
            return None
        signature = Signature(VALIDATED_BY, now)
        decided = association.decide_overdue(connection, claimed, min_score, signature)
        told: list[events.Event] = []
        correlations = {each.batch_id: each.correlation_id for each in claimed}
        completed = sum(
            ready_if_decided(
                Context(connection, VALIDATED_BY, correlations[batch_id], now, told), batch_id
            )
            for batch_id in sorted({batch_id for batch_id, _ in decided})
        )
        events.append(connection, told, topic_prefix)
    confirmed = sum(student_id is not None for _, student_id in decided)
    return Decided(confirmed, len(decided) - confirmed, completed)
