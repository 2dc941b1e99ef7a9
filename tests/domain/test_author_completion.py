"""The last text and the last author: whoever comes last completes the batch, and tells it once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import psycopg
import pytest

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.results import ContentResult
from outbox_school.slots import IsolationLevelError
from tests.domain.authors import (
    CONFIRMED,
    NOON,
    READY,
    TEACHER,
    Batch,
    completed_at,
    confirm,
    decide,
    found,
    kinds,
    make_batch,
    make_room,
    provision,
    rows,
    succeeds,
    suggest,
)
from tests.domain.concurrent_calls import concurrent_calls
from tests.harness.rounds import rounds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from outbox_school.results import Result
    from outbox_worker.application import Connection
    from tests.domain.authors import Room
    from tests.domain.concurrent_calls import Work

ROUNDS: Final = 150
ASSIGNED: Final = "els.essay.slot.assigned.v1"
COMPLETED: Final = "batch.content.provisioning.completed.v1"
ERRORS: Final = "els.batch.validation.errors.v1"
EVERYTHING: Final = [ASSIGNED, ASSIGNED, COMPLETED, ERRORS, CONFIRMED, READY]


def register(connection: Connection, room: Room, count: int) -> Batch:
    """A batch of the class in which no slot is taken."""
    essays = [uuid4() for _ in range(count)]
    command = commands.RegisterBatch(
        actor="uploads",
        batch_id=uuid4(),
        user_id=TEACHER,
        course_code="SV2",
        essay_ids=essays,
        class_id=room.class_id,
    )
    succeeds(handle(connection, command, now=NOON))
    return Batch(room, essays, batch_id=command.batch_id)


def put(connection: Connection, batch_id: UUID, text: str) -> Result:
    command = commands.ProvisionContent(
        actor="uploads",
        batch_id=batch_id,
        text_storage_id=text,
        file_upload_id=f"upload-{text}",
        original_file_name=f"{text}.txt",
        file_size_bytes=1,
    )
    return handle(connection, command, now=NOON)


def fail(connection: Connection, batch_id: UUID, name: str = "broken") -> Result:
    command = commands.RecordValidationFailure(
        actor="uploads",
        batch_id=batch_id,
        file_upload_id=f"upload-{name}",
        original_file_name=f"{name}.txt",
        validation_error_code="EMPTY_CONTENT",
    )
    return handle(connection, command, now=NOON)


def filled(connection: Connection, room: Room, texts: Sequence[str], more: int) -> Batch:
    """A batch with these texts and some free slots."""
    batch = register(connection, room, len(texts) + more)
    for text, essay in zip(texts, batch.essays, strict=False):
        result = put(connection, batch.batch_id, text)
        assert isinstance(result, ContentResult)
        assert result.essay_id == essay
    return batch


def test_authors_that_are_decided_after_the_last_text_complete_the_batch(
    connection: Connection,
) -> None:
    batch = filled(connection, make_room(connection), ["a", "b"], 0)
    ada = batch.room.students[0]
    assert kinds(connection, batch) == [ASSIGNED, ASSIGNED, COMPLETED]
    assert completed_at(connection, batch.batch_id) is None
    succeeds(suggest(connection, batch, *(found(essay, (ada, 0.9)) for essay in batch.essays)))
    succeeds(confirm(connection, batch.batch_id, dict.fromkeys(batch.essays, ada)))
    assert kinds(connection, batch) == [ASSIGNED, ASSIGNED, COMPLETED, CONFIRMED, READY]
    assert completed_at(connection, batch.batch_id) == NOON


def test_a_file_that_fails_last_completes_a_batch_whose_authors_are_decided(
    connection: Connection,
) -> None:
    batch = filled(connection, make_room(connection), ["a"], 1)
    succeeds(confirm(connection, batch.batch_id, {batch.essays[0]: None}))
    assert kinds(connection, batch) == [ASSIGNED]
    succeeds(fail(connection, batch.batch_id))
    assert kinds(connection, batch) == [ASSIGNED, COMPLETED, ERRORS, CONFIRMED, READY]


def test_a_batch_of_a_class_in_which_every_file_failed_is_ready_without_essays(
    connection: Connection,
) -> None:
    batch = register(connection, make_room(connection), 2)
    for name in ("a", "b"):
        succeeds(fail(connection, batch.batch_id, name))
    assert kinds(connection, batch) == [COMPLETED, ERRORS, CONFIRMED, READY]
    assert completed_at(connection, batch.batch_id) == NOON


@pytest.mark.slow
def test_the_last_file_teachers_and_the_time_out_at_once_complete_a_batch_once(
    connection: Connection, database: str
) -> None:
    room = make_room(connection)
    ada = room.students[0]
    with concurrent_calls(database) as calls:
        for number in rounds(ROUNDS):
            batch = filled(connection, room, [f"a {number}", f"b {number}"], 1)
            one, two, _ = batch.essays
            hand = partial(confirm, batch_id=batch.batch_id)
            works: list[Work] = [
                partial(fail, batch_id=batch.batch_id, name=f"c {number}"),
                partial(hand, authors={one: ada}),
                partial(hand, authors={two: None}),
                partial(hand, authors={one: ada, two: None}),
                decide,
            ]
            calls.chance.shuffle(works)
            calls.at_once(works)
            assert kinds(connection, batch) == EVERYTHING
            assert completed_at(connection, batch.batch_id) == NOON


@pytest.mark.parametrize(
    "level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE]
)
def test_a_transaction_that_would_not_see_the_others_decisions_is_refused(
    connection: Connection, level: psycopg.IsolationLevel
) -> None:
    batch = make_batch(connection, make_room(connection), ["assigned"], provisioned=False)
    (essay,) = batch.essays
    connection.isolation_level = level
    with pytest.raises(IsolationLevelError, match="READ COMMITTED"):
        confirm(connection, batch.batch_id, {essay: None})
    with pytest.raises(IsolationLevelError, match="READ COMMITTED"):
        suggest(connection, batch, found(essay))
    with pytest.raises(IsolationLevelError, match="READ COMMITTED"):
        provision(connection, batch)
    assert rows(connection, batch.batch_id) == {}
