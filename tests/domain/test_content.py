"""Texts and failed files: each row of the table of situations, with result, events, rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, get_args

import psycopg
import pytest

import outbox_school
from outbox_school.commands import FailureCode
from tests.domain.payloads import VALID, fault
from tests.domain.rule_cases import NOON
from tests.domain.school_rows import events, number, succeeds
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
    essay,
    excess,
    failed,
    failed_early,
    failed_excess,
    pending,
    registration,
    text,
    uploads,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.school_rows import Connection, WrittenEvent

OTHER: Final = number(2)


@dataclass(frozen=True)
class Row:
    """After the commands of `before` the command has this result and tells this."""

    before: Sequence[AnyCommand]
    command: AnyCommand
    result: Result
    events: Sequence[WrittenEvent] = field(default=())
    writes: bool = True


FULL: Final = (registration(1), text(1))
CODES: Final[tuple[FailureCode, ...]] = (
    "EMPTY_CONTENT",
    "CONTENT_TOO_SHORT",
    "CONTENT_TOO_LONG",
    "RAW_STORAGE_FAILED",
    "TEXT_EXTRACTION_FAILED",
    "ENCRYPTED_FILE_UNSUPPORTED",
    "UNKNOWN_VALIDATION_ERROR",
)
EARLY_FAILURE: Final = broken(1, code="CONTENT_TOO_LONG")

ROWS: Final[Mapping[str, Row]] = {
    "a text gets the lowest free slot": Row(
        [registration(3)], text(1), assigned(1), [slot_assigned(1, 1)]
    ),
    "the next text gets the next slot": Row(
        [registration(3), text(1)], text(2), assigned(2), [slot_assigned(2, 2)]
    ),
    "a failed file uses up the lowest free slot": Row(
        [registration(3), text(1)], broken(2), failed(2)
    ),
    "a text goes behind a failed file": Row(
        [registration(3), broken(1)], text(2), assigned(2), [slot_assigned(2, 2)]
    ),
    "the same text again has its slot already": Row(
        [registration(3), text(1)], text(1), assigned(1, created=False), writes=False
    ),
    "a text is known by its storage id, whatever else is said of it": Row(
        [registration(3), text(1)],
        text(2, text_storage_id="text-1", raw_file_storage_id="raw", content_md5="a" * 32),
        assigned(1, created=False),
        writes=False,
    ),
    "two texts of one upload are two texts": Row(
        [registration(3), text(1)],
        text(2, file_upload_id="upload-1"),
        assigned(2),
        [slot_assigned(2, 2, upload=1)],
    ),
    "the same text again when the batch is full has its slot still": Row(
        FULL, text(1), assigned(1, created=False), writes=False
    ),
    "a text that finds every slot taken is excess": Row(
        FULL, text(2), excess(), [excess_provisioned(2)]
    ),
    "excess is remembered and told once": Row(
        [*FULL, text(2)], text(2), excess(created=False), writes=False
    ),
    "each excess text has its event": Row(
        [*FULL, text(2)], text(3), excess(), [excess_provisioned(3)]
    ),
    "a text after failed files took every slot is excess": Row(
        [registration(1), broken(1)], text(2), excess(), [excess_provisioned(2)]
    ),
    "a text before its batch is kept": Row([], text(1), pending()),
    "it is kept once": Row([text(1)], text(1), pending(created=False), writes=False),
    "a kept text has its slot after the registration": Row(
        [text(1), registration(2)], text(1), assigned(1, created=False), writes=False
    ),
    "a text kept for another batch is another one": Row(
        [registration(2), text(1, OTHER)], text(1), assigned(1), [slot_assigned(1, 1)]
    ),
    "a failure of the upload of a text takes a slot of its own": Row(
        [registration(3), text(1)], broken(1), failed(2)
    ),
    "a failed file again has used up its slot already": Row(
        [registration(3), broken(1)], broken(1), failed(1, created=False), writes=False
    ),
    "a failed file is known by its upload, whatever else is said of it": Row(
        [registration(3), broken(1)],
        broken(1, code="CONTENT_TOO_LONG", validation_error_detail="9 pages", file_size_bytes=3),
        failed(1, created=False),
        writes=False,
    ),
    "an upload may have a text and fail besides": Row(
        [registration(3), text(1)], broken(1), failed(2)
    ),
    "a failed file that finds every slot taken uses up none": Row(FULL, broken(2), failed_excess()),
    "that it found none is remembered": Row(
        [*FULL, broken(2)], broken(2), failed_excess(created=False), writes=False
    ),
    "a failed file before its batch is kept": Row([], EARLY_FAILURE, failed_early()),
    "a failed file is kept once": Row(
        [EARLY_FAILURE], EARLY_FAILURE, failed_early(created=False), writes=False
    ),
    "a kept failure has used up its slot after the registration": Row(
        [EARLY_FAILURE, registration(2)], EARLY_FAILURE, failed(1, created=False), writes=False
    ),
    "the last text completes the batch": Row(
        [registration(2), text(1)],
        text(2),
        assigned(2),
        [slot_assigned(2, 2), completed({1: 1, 2: 2})],
    ),
}


@pytest.fixture
def connection(undone: Connection) -> Connection:
    """Nothing that these tests write stays."""
    return undone


@pytest.mark.parametrize("name", ROWS)
def test_row_of_the_table(connection: Connection, name: str) -> None:
    row = ROWS[name]
    for each in row.before:
        succeeds(outbox_school.handle(connection, each))
    known, rows = len(events(connection)), uploads(connection)
    assert outbox_school.handle(connection, row.command, now=NOON) == row.result
    assert events(connection)[known:] == list(row.events)
    assert (uploads(connection) != rows) == row.writes


def test_a_text_is_kept_with_everything_that_is_known_of_it(connection: Connection) -> None:
    for batch_id in (BATCH, OTHER):
        command = text(1, batch_id, content_md5="c" * 32, raw_file_storage_id="raw-1")
        if batch_id == BATCH:
            succeeds(outbox_school.handle(connection, registration(1)))
        succeeds(outbox_school.handle(connection, command))
        row = connection.execute(
            "SELECT file_upload_id, original_file_name, file_size_bytes, content_md5, "
            "raw_file_storage_id, correlation_id FROM school.content WHERE batch_id = %s",
            (batch_id,),
        ).fetchall()
        assert row == [("upload-1", "essay 1.docx", 1_001, "c" * 32, "raw-1", number(1001))]


def test_a_failed_file_is_kept_with_everything_that_is_known_of_it(connection: Connection) -> None:
    command = broken(
        1,
        code="ENCRYPTED_FILE_UNSUPPORTED",
        validation_error_detail="a lock\non it",
        raw_file_storage_id="raw-1",
        file_size_bytes=7,
    )
    succeeds(outbox_school.handle(connection, command))
    row = connection.execute(
        "SELECT original_file_name, code, detail, raw_file_storage_id, file_size_bytes, "
        "correlation_id FROM school.failure"
    ).fetchall()
    assert row == [
        ("essay 1.docx", "ENCRYPTED_FILE_UNSUPPORTED", "a lock\non it", "raw-1", 7, number(1001))
    ]


def test_there_are_the_codes_that_subscribers_know() -> None:
    assert get_args(FailureCode) == CODES


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_a_failed_file_is_kept_and_told_with_its_code(
    connection: Connection, code: FailureCode, early: bool
) -> None:
    first: list[AnyCommand] = [registration(2), broken(1, code=code)]
    for each in (*(reversed(first) if early else first), text(2)):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    assert connection.execute("SELECT code FROM school.failure").fetchall() == [(code,)]
    gone = [failed_file(1, 1, code)]
    assert events(connection) == [
        slot_assigned(2, 2),
        completed({2: 2}, gone),
        validation_errors(gone, {code: 1}, critical=False),
    ]


def test_codes_are_counted_each_by_itself(connection: Connection) -> None:
    codes = [code for times, code in enumerate(CODES, 1) for _ in range(times)]
    succeeds(outbox_school.handle(connection, registration(len(codes)), now=NOON))
    for name, code in enumerate(codes, 1):
        succeeds(outbox_school.handle(connection, broken(name, code=code), now=NOON))
    gone = [failed_file(name, name, code) for name, code in enumerate(codes, 1)]
    by_code: dict[str, JsonValue] = {code: times for times, code in enumerate(CODES, 1)}
    assert events(connection) == [
        completed({}, gone),
        validation_errors(gone, by_code, critical=True),
    ]


@pytest.mark.parametrize("code", ["VIRUS_FOUND", "empty_content", " EMPTY_CONTENT", None])
def test_an_unknown_code_is_refused_with_its_path(code: str | None) -> None:
    payload = VALID["RecordValidationFailure"] | {"validation_error_code": code}
    path, _ = fault("RecordValidationFailure", json.dumps(payload))
    assert path == "validation_error_code"


def test_the_schema_knows_no_other_code(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, broken(1)))
    with pytest.raises(psycopg.errors.CheckViolation, match="failure_code_is_known"):
        connection.execute("UPDATE school.failure SET code = 'VIRUS_FOUND'")


def test_a_slot_says_who_is_in_it_since_when(connection: Connection) -> None:
    for each in (registration(3), text(1), broken(2)):
        succeeds(outbox_school.handle(connection, each, now=NOON))
    assert uploads(connection).slots == {
        (BATCH, 1, essay(1), "assigned", "text-1", "upload-1", NOON),
        (BATCH, 2, essay(2), "failed", None, "upload-2", NOON),
        (BATCH, 3, essay(3), "free", None, None, None),
    }


def test_commands_of_one_transaction_see_each_other(connection: Connection) -> None:
    with connection.transaction():
        results = [
            outbox_school.handle(connection, each)
            for each in (text(1), broken(2), registration(3), text(3), text(3), text(4), broken(5))
        ]
    assert results[0] == pending()
    assert results[3:] == [
        assigned(3),
        assigned(3, created=False),
        excess(),
        failed_excess(),
    ]


def test_what_a_transaction_took_is_free_when_it_is_rolled_back(connection: Connection) -> None:
    succeeds(outbox_school.handle(connection, registration(1)))
    rows = uploads(connection)
    with connection.transaction(force_rollback=True):
        assert outbox_school.handle(connection, text(1)) == assigned(1)
        assert outbox_school.handle(connection, text(2)) == excess()
    assert uploads(connection) == rows
    assert events(connection) == []
    assert outbox_school.handle(connection, text(2)) == assigned(1)


@pytest.mark.parametrize("command", [text(1), broken(1), registration(1)])
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_would_not_look_again_is_refused_with_the_hint(
    migrated_database_url: str,
    level: str,
    command: AnyCommand,
) -> None:
    with psycopg.connect(migrated_database_url, autocommit=True) as link:
        link.isolation_level = psycopg.IsolationLevel[level.replace(" ", "_")]
        with pytest.raises(outbox_school.IsolationLevelError, match=f"{level}.*READ COMMITTED"):
            outbox_school.handle(link, command)
        assert not any(uploads(link))


def test_the_schema_keeps_a_text_in_one_slot(connection: Connection) -> None:
    for each in (registration(2), text(1)):
        succeeds(outbox_school.handle(connection, each))
    with pytest.raises(psycopg.errors.UniqueViolation, match="slot_holds_a_text_once"):
        connection.execute(
            "UPDATE school.slot SET status = 'assigned', text_storage_id = 'text-1', "
            "file_upload_id = 'u' WHERE position = 2"
        )


def test_the_schema_keeps_a_failed_upload_in_one_slot(connection: Connection) -> None:
    for each in (registration(2), broken(1)):
        succeeds(outbox_school.handle(connection, each))
    with pytest.raises(psycopg.errors.UniqueViolation, match="slot_fails_once_for_an_upload"):
        connection.execute(
            "UPDATE school.slot SET status = 'failed', file_upload_id = 'upload-1' "
            "WHERE position = 2"
        )
