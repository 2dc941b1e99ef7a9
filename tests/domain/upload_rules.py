"""What must be true of every batch, whatever ran at the same time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.domain.uploads import (
    ASSIGNED,
    COMPLETED,
    ERRORS,
    EXCESS,
    READ_CONTENT,
    READ_FAILURES,
    READ_TALLY,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from tests.domain.school_rows import Connection

READ_BATCHES: Final = (
    "SELECT batch_id, class_type, expected_count, provisioned_at IS NOT NULL, "
    "completed_at IS NOT NULL FROM school.batch"
)
READ_SLOTS: Final = (
    "SELECT batch_id, essay_id, status, text_storage_id, file_upload_id "
    "FROM school.slot ORDER BY batch_id, position"
)
READ_EVENTS: Final = "SELECT key, type, payload FROM outbox.event ORDER BY id"


@dataclass
class BatchRecord:
    """All that is known of one batch."""

    registered: tuple[str, int, bool, bool] | None = None
    slots: list[tuple[UUID, str, str | None, str | None]] = field(default_factory=list)
    content: dict[str, tuple[str, UUID | None]] = field(default_factory=dict)
    failures: dict[str, tuple[str, UUID | None]] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def batch_records(connection: Connection) -> dict[str, BatchRecord]:
    """By batch id, everything in the tables and in the outbox."""
    found: defaultdict[str, BatchRecord] = defaultdict(BatchRecord)
    for batch_id, *row in connection.execute(READ_BATCHES):
        found[str(batch_id)].registered = tuple(row)
    for batch_id, *row in connection.execute(READ_SLOTS):
        found[str(batch_id)].slots.append(tuple(row))
    for batch_id, text, *row in connection.execute(READ_CONTENT):
        found[str(batch_id)].content[text] = tuple(row)
    for batch_id, upload, *row in connection.execute(READ_FAILURES):
        found[str(batch_id)].failures[upload] = tuple(row)
    for key, kind, payload in connection.execute(READ_EVENTS):
        found[key].events.append((kind, json.loads(payload)))
    return dict(found)


def assert_batch_rules(connection: Connection) -> dict[str, BatchRecord]:
    """See that every batch is as the rules say; what is known of each."""
    found = batch_records(connection)
    tally: Counter[tuple[str, str]] = Counter()
    for batch_id, record in found.items():
        try:
            assert_batch(record)
        except AssertionError as fault:
            fault.add_note(f"batch {batch_id}: {record}")
            raise
        if record.registered:
            class_type, _, _, completed = record.registered
            tally[class_type, "completed" if completed else "active"] += 1
    kinds = {kind for kind, _ in tally}
    assert set(connection.execute(READ_TALLY)) == {
        (kind, tally[kind, "active"], tally[kind, "completed"]) for kind in kinds
    }
    return found


def assert_batch(record: BatchRecord) -> None:
    """The rules of one batch."""
    waiting = [*record.content.values(), *record.failures.values()]
    if record.registered is None:
        assert {status for status, _ in waiting} <= {"pending"}
        assert (record.slots, record.events) == ([], [])
        return
    _, expected, provisioned, _ = record.registered
    statuses = [status for _, status, _, _ in record.slots]
    assert len(statuses) == expected
    # Nothing is stranded, and nothing is excess while a slot is free.
    settled = {status for status, _ in waiting}
    assert "pending" not in settled
    assert not ("excess" in settled and "free" in statuses)
    # Each text and each failure in its slot, and nobody else in one.
    assert texts(record) == {
        text: essay for text, (status, essay) in record.content.items() if status == "assigned"
    }
    assert failed(record) == {
        upload: essay for upload, (status, essay) in record.failures.items() if status == "failed"
    }
    assert provisioned == ("free" not in statuses)
    assert_events(record, provisioned=provisioned)


def texts(record: BatchRecord) -> dict[str, UUID]:
    """By text, the essay of its slot; a text in two slots fails."""
    return once((text, essay) for essay, _, text, _ in record.slots if text is not None)


def failed(record: BatchRecord) -> dict[str, UUID]:
    return once(
        (upload, essay)
        for essay, status, _, upload in record.slots
        if status == "failed" and upload is not None
    )


def once(pairs: Iterable[tuple[str, UUID]]) -> dict[str, UUID]:
    found = list(pairs)
    assert len(dict(found)) == len(found), found
    return dict(found)


def assert_events(record: BatchRecord, *, provisioned: bool) -> None:
    """Each slot told once, each excess text once, completion once and after all slots."""
    by_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for kind, payload in record.events:
        by_kind[kind].append(payload)
    told = once((each["text_storage_id"], each["essay_id"]) for each in by_kind[ASSIGNED])
    assert told == {text: str(essay) for text, essay in texts(record).items()}
    assert Counter(each["text_storage_id"] for each in by_kind[EXCESS]) == Counter(
        text for text, (status, _) in record.content.items() if status == "excess"
    )
    assert len(by_kind[COMPLETED]) == provisioned
    assert len(by_kind[ERRORS]) == (provisioned and bool(failed(record)))
    if not provisioned:
        return
    kinds = [kind for kind, _ in record.events if kind in {ASSIGNED, COMPLETED, ERRORS}]
    ending = [COMPLETED, ERRORS] if failed(record) else [COMPLETED]
    assert kinds == [ASSIGNED] * len(told) + ending
    (completed,) = by_kind[COMPLETED]
    assert_completion(record, completed)
    for errors in by_kind[ERRORS]:
        assert essays(errors["failed_essays"]) == essays(completed["failed_files"])
        assert errors["error_summary"]["total"] == completed["failed_count"]
        assert errors["error_summary"]["critical"] == (completed["provisioned_count"] == 0)


def assert_completion(record: BatchRecord, completed: dict[str, Any]) -> None:
    """The counts and the lists are those of the slots, in their order."""
    assert [
        (each["essay_id"], each["text_storage_id"]) for each in completed["essays_for_processing"]
    ] == [(str(essay), text) for essay, status, text, _ in record.slots if status == "assigned"]
    assert essays(completed["failed_files"]) == [
        (str(essay), upload) for essay, status, _, upload in record.slots if status == "failed"
    ]
    counts = ("expected_count", "provisioned_count", "failed_count")
    assert [completed[each] for each in counts] == [
        len(record.slots),
        len(texts(record)),
        len(failed(record)),
    ]


def essays(files: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["essay_id"], each["file_upload_id"]) for each in files]
