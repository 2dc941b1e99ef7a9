"""What the teacher did not decide in time is decided for the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from outbox_school.events import TOPIC_PREFIX
from outbox_school.readiness import ready_if_decided
from outbox_school.stores import association
from outbox_school.stores.association import Signature
from outbox_worker.application import Context, Job, append

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outbox_school.settings import SchoolSettings
    from outbox_worker.application import Connection, Event, JobRun, Tombstone

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


INTERVAL_S: Final = 5.0
"""How often overdue essays are looked for: one look at an index that holds what is undecided."""

ROWS: Final = 200
"""Essays decided in one transaction: a teacher who confirms meanwhile waits for no more."""

OPTIONS: Final[Mapping[str, str]] = {
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
}
"""A few rows are found by their keys. The planner otherwise reads all batches
where it was not told of late how many there are."""


def decide_overdue(
    connection: Connection,
    *,
    timeout: timedelta,
    min_score: float,
    now: datetime,
    topic_prefix: str = TOPIC_PREFIX,
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
        told: list[Event | Tombstone] = []
        correlations = {each.batch_id: each.correlation_id for each in claimed}
        completed = sum(
            ready_if_decided(
                Context(connection, VALIDATED_BY, correlations[batch_id], now, told), batch_id
            )
            for batch_id in sorted({batch_id for batch_id, _ in decided})
        )
        append(connection, told, topic_prefix)
    confirmed = sum(student_id is not None for _, student_id in decided)
    return Decided(confirmed, len(decided) - confirmed, completed)


def run(job: JobRun) -> dict[str, int]:
    """Decide some of what is overdue by the settings; empty where nothing is."""
    settings: SchoolSettings = job.settings
    decided = decide_overdue(
        job.connection,
        timeout=timedelta(hours=settings.association_timeout_hours),
        min_score=settings.association_min_score,
        now=job.now,
        topic_prefix=job.topic_prefix,
        rows=ROWS,
    )
    if decided is None:
        return {}
    return {
        "confirmed": decided.confirmed,
        "no_student": decided.no_student,
        "batches_completed": decided.completed,
    }


JOB: Final = Job("overdue", run, INTERVAL_S, OPTIONS)
