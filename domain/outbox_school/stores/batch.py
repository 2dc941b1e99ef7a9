"""Statements over batches: registration, completion of their content, reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from outbox_school import statements

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from outbox_worker.application import Connection

ClassType: TypeAlias = Literal["GUEST", "REGULAR"]


class Registered(NamedTuple):
    """What was registered under an id, the essays in the order of the slots."""

    owner: str
    course_code: str
    class_id: UUID | None
    org_id: str | None
    student_prompt_ref: str | None
    expected_count: int
    essay_ids: list[UUID]


class Registration(NamedTuple):
    """What is to be registered."""

    batch_id: UUID
    owner: str
    course_code: str
    class_id: UUID | None
    org_id: str | None
    student_prompt_ref: str | None
    essay_ids: Sequence[UUID]
    correlation_id: UUID


class Provisioned(NamedTuple):
    """A batch whose content is complete since just now."""

    owner: str
    course_code: str
    class_type: ClassType
    class_id: UUID | None
    expected_count: int
    correlation_id: UUID


class BatchView(NamedTuple):
    """A batch as a reader sees it."""

    batch_id: UUID
    user_id: str
    course_code: str
    class_type: ClassType
    class_id: UUID | None
    org_id: str | None
    student_prompt_ref: str | None
    expected_count: int
    assigned_count: int
    failed_count: int
    status: Literal["awaiting_content", "awaiting_associations", "completed"]
    correlation_id: UUID
    registered_at: datetime
    provisioned_at: datetime | None
    completed_at: datetime | None


def lock_registration(connection: Connection, batch_id: UUID) -> str:
    """Hold the arrivals at a batch id until the transaction ends; its isolation level."""
    return _level(connection, "batch/lock_registration", batch_id)


def lock_arrival(connection: Connection, batch_id: UUID) -> str:
    """Keep a batch id from being registered or purged; the transaction's isolation level."""
    return _level(connection, "batch/lock_arrival", batch_id)


def _level(connection: Connection, name: str, batch_id: UUID) -> str:
    row = statements.execute(connection, name, {"batch_id": batch_id}).fetchone()
    return "" if row is None else str(row[0])


def find_registered(connection: Connection, batch_id: UUID) -> Registered | None:
    """What was registered under an id, by whomever."""
    parameters = {"batch_id": batch_id}
    row = statements.execute(connection, "batch/find_registered", parameters).fetchone()
    return None if row is None else Registered(*row)


def insert_batch(connection: Connection, registration: Registration) -> int:
    """A new batch and its slots; how many. The schema refuses an unknown course."""
    parameters = registration._asdict() | {"essay_ids": list(registration.essay_ids)}
    return statements.execute(connection, "batch/insert_batch", parameters).rowcount


def lock_gate(connection: Connection, batch_id: UUID) -> bool:
    """Whether it is this transaction that finds out if the batch is full; waits for nobody."""
    parameters = {"batch_id": batch_id}
    return statements.execute(connection, "batch/lock_gate", parameters).fetchone() is not None


def mark_provisioned(connection: Connection, batch_id: UUID, now: datetime) -> Provisioned | None:
    """Mark a batch whose slots are all taken, once; a GUEST batch is completed with it."""
    parameters = {"batch_id": batch_id, "now": now}
    row = statements.execute(connection, "batch/mark_provisioned", parameters).fetchone()
    return None if row is None else Provisioned(*row)


def find_batch(connection: Connection, batch_id: UUID, owner: str) -> BatchView | None:
    """The owner's batch."""
    parameters = {"batch_id": batch_id, "owner": owner}
    row = statements.execute(connection, "batch/find_batch", parameters).fetchone()
    return None if row is None else BatchView(*row)


def list_batches(
    connection: Connection, owner: str, after: tuple[datetime, UUID] | None, rows: int
) -> list[BatchView]:
    """Batches of the owner, newest first, after the place where the page before ended."""
    registered_at, batch_id = after or (None, None)
    parameters = {
        "owner": owner,
        "registered_at": registered_at,
        "batch_id": batch_id,
        "rows": rows,
    }
    found = statements.execute(connection, "batch/list_batches", parameters).fetchall()
    return [BatchView(*row) for row in found]
