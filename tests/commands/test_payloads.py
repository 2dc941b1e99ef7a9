"""Whatever is submitted: it is refused at once, or rejected with the path of the field."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from outbox_school.school import school
from outbox_worker.commands.outcome import Rejected, Succeeded
from outbox_worker.postgres import database as connections
from tests.commands.inbox import PREFIX, events, look, new_executor, run_all, submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection

DEEP = 3_000
MEGABYTE = 1_000_000

WRONG = {
    "a missing field": ("CreateClass", {"name": "7b"}, "course_codes"),
    "an unknown field": ("DeleteClass", {"class_id": str(uuid.uuid4()), "why": 1}, "why"),
    "a wrong type": ("CreateClass", {"name": 7, "course_codes": ["ENG5"]}, "name"),
    "a wrong type inside": ("CreateClass", {"name": "7b", "course_codes": [{}]}, "course_codes.0"),
    "a number in quotes": (
        "RegisterBatch",
        {
            "batch_id": str(uuid.uuid4()),
            "user_id": "u",
            "course_code": "ENG5",
            "expected_essay_count": "3",
        },
        "expected_essay_count",
    ),
    "no uuid": ("DeleteClass", {"class_id": "seven"}, "class_id"),
    "no e-mail address": (
        "CreateStudent",
        {"first_name": "a", "last_name": "b", "email": "nobody"},
        "email",
    ),
    "a line break in a name": ("CreateClass", {"name": "7\nb", "course_codes": ["SV1"]}, "name"),
    "a column smuggled in": ("DeleteClass", {"class_id": "", "actor": "boss"}, "actor"),
    "a name of 1 MB": ("CreateClass", {"name": "x" * MEGABYTE, "course_codes": ["SV1"]}, "name"),
    "a field name of 1 MB": ("DeleteClass", {"x" * MEGABYTE: 1}, "class_id"),
    "a huge number": ("CreateClass", '{"name": 1e400, "course_codes": ["SV1"]}', "name"),
    "a number of 100,000 digits": (
        "CreateClass",
        f'{{"name": {"9" * 100_000}, "course_codes": ["SV1"]}}',
        "name",
    ),
    "a tiny number": (
        "SuggestAssociations",
        f'{{"batch_id": 1e-400, "class_id": "{uuid.uuid4()}", "matches": []}}',
        "batch_id",
    ),
    "deep lists": ("CreateClass", f'{{"name": {"[" * DEEP}{"]" * DEEP}}}', "name"),
    "deep objects": ("CreateClass", '{"a":' * DEEP + "1" + "}" * DEEP, "a"),
    "a hundred thousand fields": (
        "CreateClass",
        {f"field {n}": n for n in range(100_000)},
        "name",
    ),
}

REFUSED = {
    "a NUL": '{"name": "7\\u0000b", "course_codes": ["SV1"]}',
    "half a surrogate": '{"name": "\\ud83d", "course_codes": ["SV1"]}',
    "surrogates in the wrong order": '{"name": "\\ude00\\ud83d"}',
    "10 MB": json.dumps({"name": "x" * 10 * MEGABYTE}),
    "no JSON": "{name: 7b}",
    "not a number": '{"name": NaN}',
    "JSON cut off": '{"name": "7b"',
    "nothing": "",
    "deeper than the server reads": "[" * 100_000,
}


@pytest.mark.parametrize(("kind", "payload", "path"), WRONG.values(), ids=WRONG)
def test_a_bad_payload_is_rejected_with_the_path_of_the_field(
    connection: Connection, kind: str, payload: object, path: str
) -> None:
    command_id, behind = submit(connection, kind, payload), submit(connection)
    executor, _ = new_executor()
    outcomes = run_all(executor, connection)
    assert [type(each) for each in outcomes] == [Rejected, Succeeded]
    error = look(connection, command_id).error
    assert error is not None
    assert error["code"] == "VALIDATION_ERROR"
    paths = [each["path"] for each in error["details"]["errors"]]
    assert path in paths
    assert len(json.dumps(error)) < 20_000
    assert [kind for kind, _ in events(connection)] == ["command.rejected.v1", "class.created.v1"]
    assert look(connection, behind).status == "succeeded"


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
def test_what_no_jsonb_can_hold_is_refused_at_submit(connection: Connection, payload: str) -> None:
    refusals = (
        psycopg.DataError,
        psycopg.errors.CheckViolation,
        psycopg.errors.StatementTooComplex,
    )
    with pytest.raises(refusals):
        submit(connection, "CreateClass", payload)
    assert connection.execute("SELECT count(*) FROM outbox.command").fetchone() == (0,)


def test_a_payload_that_is_copied_compressed_is_measured_by_its_text(
    connection: Connection,
) -> None:
    """As it lies in another table, 5 million characters may be of 60 kB."""
    connection.execute("CREATE TEMPORARY TABLE staged (payload jsonb)")
    connection.execute("INSERT INTO staged SELECT jsonb_build_object('n', repeat('x', 5000000))")
    assert connection.execute("SELECT pg_column_size(payload) < 100000 FROM staged").fetchone() == (
        True,
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="command_payload_is_at_most_4_mb"):
        connection.execute(
            "INSERT INTO outbox.command (type, key, actor, payload) "
            "SELECT 'CreateClass', 'k', 'a', payload FROM staged"
        )


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("[1, 2]", "an array"),
        ('"CreateClass"', "a string"),
        (json.dumps(json.dumps({"name": "7b"})), "a string"),
        ("null", "null"),
        ("7", "a number"),
        ("true", "a boolean"),
    ],
)
def test_what_is_no_object_is_refused_at_once(
    connection: Connection, payload: str, said: str
) -> None:
    with pytest.raises(psycopg.DatabaseError, match=f"PAYLOAD_IS_NO_OBJECT.* {said}") as caught:
        submit(connection, "CreateClass", payload)
    assert caught.value.sqlstate == "OB003"
    assert "payload => $3::text::jsonb" in (caught.value.diag.message_hint or "")
    with pytest.raises(psycopg.errors.CheckViolation, match="command_payload_is_an_object"):
        connection.execute(
            "INSERT INTO outbox.command (type, key, actor, payload) "
            "VALUES ('CreateClass', 'k', 'a', %s)",
            (payload,),
        )


@pytest.mark.parametrize("size", [0, 256])
def test_a_key_an_actor_and_a_type_have_a_size(connection: Connection, size: int) -> None:
    for column in ("type", "key", "actor"):
        given_values = {"type": "T", "key": "k", "actor": "a", column: "x" * size}
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "INSERT INTO outbox.command (type, key, actor, payload) "
                "VALUES (%(type)s, %(key)s, %(actor)s, '{}')",
                given_values,
            )


def test_an_actor_that_no_domain_takes_is_rejected(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) "
        "VALUES ('DeleteClass', 'k', E'a\\nb', '{\"class_id\": \"x\"}')"
    )
    executor, _ = new_executor()
    (outcome,) = run_all(executor, connection)
    assert isinstance(outcome, Rejected)
    errors = outcome.error.details["errors"]
    assert "actor" in str(errors)


VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=20)
    | some.uuids().map(str)
    | some.sampled_from(["ENG5", "a@example.com", "7b", 10**40, 1e308, -1]),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = sorted({field for each in school.commands for field in each.model.model_fields})
PAYLOADS = some.dictionaries(some.sampled_from(FIELDS) | some.text(max_size=8), VALUES) | VALUES


@pytest.fixture(scope="module")
def link(migrated_database_url: str) -> Iterator[Connection]:
    """One session on one database for all examples."""
    with connections.connect(migrated_database_url, application="tests") as found:
        yield found


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=some.sampled_from(sorted(school.types)) | some.text(min_size=1, max_size=20),
    payload=PAYLOADS,
    key=some.text(min_size=1, max_size=20),
)
def test_no_payload_stops_the_executor(
    link: Connection,
    kind: str,
    payload: object,
    key: str,
) -> None:
    try:
        command_id = submit(link, kind, payload, key=key)
    except (psycopg.Error, UnicodeEncodeError):
        return
    executor, _ = new_executor()
    (outcome,) = run_all(executor, link)
    assert isinstance(outcome, Succeeded | Rejected)
    row = look(link, command_id)
    assert row.failures == 0
    told = link.execute(
        "SELECT topic FROM outbox.event WHERE headers ->> 'correlation-id' = %s", (str(command_id),)
    ).fetchall()
    assert told
    if row.status == "rejected":
        assert told == [(f"{PREFIX}command.rejected.v1",)]
