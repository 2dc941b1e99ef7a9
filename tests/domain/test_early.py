"""What came before its batch: placed by the registration, in order of arrival."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

import pytest

import outbox_school
from outbox_school import statements
from tests.domain.rule_cases import NOON
from tests.domain.school_rows import ANNA, events, succeeds
from tests.domain.upload_events import (
    completed,
    excess_provisioned,
    failed_file,
    slot_assigned,
    validation_errors,
)
from tests.domain.uploads import (
    BATCH,
    assigned,
    broken,
    excess,
    failed,
    failed_excess,
    registered,
    registration,
    text,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_school.commands import AnyCommand
    from tests.domain.school_rows import Connection


MOST_BYTES: Final = 1024 * 1024
"""The default of Kafka's `max.message.bytes`, without its few bytes of overhead."""


@pytest.fixture
def connection(undone: Connection) -> Connection:
    """Nothing that these tests write stays."""
    return undone


def test_what_came_early_gets_its_slots_in_order_of_arrival(connection: Connection) -> None:
    early: list[AnyCommand] = [text(2), broken(3), text(1), broken(4), text(5)]
    for each in early:
        succeeds(outbox_school.handle(connection, each))
    assert events(connection) == []
    assert outbox_school.handle(connection, registration(6), now=NOON) == registered(assigned=3)
    assert events(connection) == [slot_assigned(2, 1), slot_assigned(1, 3), slot_assigned(5, 5)]
    for each, result in zip(
        early,
        [assigned(1), failed(2), assigned(3), failed(4), assigned(5)],
        strict=True,
    ):
        assert outbox_school.handle(connection, each) == result.model_copy(
            update={"created": False}
        )
    assert outbox_school.handle(connection, text(6)) == assigned(6)


def test_what_came_early_and_finds_no_slot_is_excess(connection: Connection) -> None:
    early: list[AnyCommand] = [text(1), text(2), broken(3), text(4)]
    for each in early:
        succeeds(outbox_school.handle(connection, each))
    result = outbox_school.handle(connection, registration(1), now=NOON)
    assert result == registered(assigned=1, excess=2)
    assert events(connection) == [
        slot_assigned(1, 1),
        excess_provisioned(2),
        excess_provisioned(4),
        completed({1: 1}),
    ]
    assert outbox_school.handle(connection, text(2)) == excess(created=False)
    assert outbox_school.handle(connection, broken(3)) == failed_excess(created=False)


def test_a_batch_that_was_full_before_it_was_registered_is_complete_at_once(
    connection: Connection,
) -> None:
    for each in (broken(1), text(2)):
        succeeds(outbox_school.handle(connection, each))
    assert outbox_school.handle(connection, registration(2), now=NOON) == registered(assigned=1)
    gone = [failed_file(1, 1)]
    assert events(connection) == [
        slot_assigned(2, 2),
        completed({2: 2}, gone),
        validation_errors(gone, {"EMPTY_CONTENT": 1}, critical=False),
    ]
    assert uploads(connection).tally == {("GUEST", 0, 1)}


def test_the_largest_batch_fits_in_a_record_of_kafka(connection: Connection) -> None:
    """Also where nothing in it can be compressed."""
    for name in range(1_000):
        unlike = secrets.token_hex(128)[:255]
        failed = broken(
            name,
            code="ENCRYPTED_FILE_UNSUPPORTED",
            file_upload_id=f"{name:04}{unlike[4:]}",
            original_file_name=unlike,
            validation_error_detail=secrets.token_hex(5_000),
        )
        succeeds(outbox_school.handle(connection, failed))
    command = registration(essay_ids=None, expected_essay_count=1_000)
    assert outbox_school.handle(connection, command) == registered()
    payloads = connection.execute("SELECT payload FROM outbox.event").fetchall()
    assert len(payloads) == 2
    for (payload,) in payloads:
        assert len(payload) <= MOST_BYTES
        key = "failed_files" if b"failed_files" in payload else "failed_essays"
        for each in json.loads(payload)[key]:
            detail = each["validation_error_detail"]
            assert (len(detail), detail[-1]) == (300, "…")


def test_a_thousand_early_texts_cost_no_more_statements_than_two(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[str] = []
    execute = statements.execute

    def counted(link: Connection, name: str, parameters: Mapping[str, object]) -> Any:  # noqa: ANN401
        run.append(name)
        return execute(link, name, parameters)

    monkeypatch.setattr(statements, "execute", counted)
    for name in range(1_000):
        succeeds(outbox_school.handle(connection, text(name)))
    run.clear()
    command = registration(essay_ids=None, expected_essay_count=1_000)
    assert outbox_school.handle(connection, command) == registered(assigned=1_000)
    assert len(run) == len(set(run)) <= 11
    view = outbox_school.reads.get_batch(connection, ANNA, BATCH)
    assert view is not None
    assert (view.assigned_count, view.status) == (1_000, "completed")
    assert len(events(connection)) == 1_001
