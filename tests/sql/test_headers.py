"""Headers of a writer: what readers stumble over is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.relay import record

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

OURS = "event_headers_leave_ours_alone"
ATTRIBUTES = "event_headers_of_cloudevents_are_attributes"


def insert_headers(link: Connection, headers: str) -> str:
    """One event with these headers; the name of the constraint that refuses it, if any."""
    try:
        link.execute(
            "INSERT INTO outbox.event (topic, type, headers) VALUES ('t', 'v', %s)", (headers,)
        )
    except psycopg.errors.CheckViolation as error:
        return error.diag.constraint_name or ""
    return ""


@pytest.mark.parametrize(
    ("headers", "constraint"),
    [
        *((f'{{"{name}": "x"}}', OURS) for name in ("ce_id", "CE_ID", "Ce_Specversion", "ce_data")),
        *((f'{{"{name}": "x"}}', OURS) for name in ("Content-Type", "content-type")),
        ('{"a": "b", "ce_DataContentType": "x"}', OURS),
        *(
            (f'{{"{name}": "x"}}', ATTRIBUTES)
            for name in ("ce_my-ext", "ce_", "CE_tenant", "ce_Tenant", "ce_data_base64", "ce_ä")
        ),
        (f'{{"ce_{21 * "a"}": "x"}}', ATTRIBUTES),
        (r'{"ce_a\n": "x"}', ATTRIBUTES),
        ('{"ce_tenant": null}', ATTRIBUTES),
        ('{"ce_tenant": ""}', ATTRIBUTES),
        ('{"": "x"}', "event_headers_are_an_object"),
        (f'{{"a": "{65_536 * "x"}"}}', "event_headers_are_bounded"),
        ('{"a": 1e70000}', "event_headers_are_bounded"),
        (32 * '{"a":' + "1" + 32 * "}", "event_headers_are_bounded"),
        ('{"a":' + 3_000 * "[" + 3_000 * "]" + "}", "event_headers_are_bounded"),
        ("1", "event_headers_are_an_object"),
    ],
)
def test_headers_that_readers_stumble_over_are_refused_by_name(
    connection: Connection, headers: str, constraint: str
) -> None:
    assert insert_headers(connection, headers) == constraint


@pytest.mark.parametrize("name", sorted(record.OURS - {""}))
def test_every_name_that_the_relay_takes_is_refused_at_the_insert(
    connection: Connection, name: str
) -> None:
    assert insert_headers(connection, f'{{"{name}": "x"}}') == OURS
    assert insert_headers(connection, f'{{"{name.upper()}": "x"}}') == OURS


@pytest.mark.parametrize(
    "headers",
    [
        *("null", "{}", '{"a": null}', '{"a": 1e5000}', '{"ce": "x", "ceremony": "x"}'),
        *('{"ce_tenant": "x", "ce_dataschema": "y"}', '{"ce_n": 0, "ce_b": false}'),
        *('{"a": "\\"ce_id", "content-types": "content-type"}', '{"Idempotency-Key": "k"}'),
        f'{{"ce_{20 * "a"}": "x"}}',
        31 * '{"a":' + "1" + 31 * "}",
        f'{{"a": "{65_000 * "x"}"}}',
    ],
)
def test_headers_that_readers_take_are_taken(connection: Connection, headers: str) -> None:
    assert not insert_headers(connection, headers)


SCHEMA = "0193f1a2-0000-7000-8000-0123456789ab"


@pytest.mark.parametrize("name", ["__key_schema_id", "__value_schema_id"])
def test_the_header_of_a_schema_is_a_uuid(connection: Connection, name: str) -> None:
    for value in ('"7"', "7", f'"{SCHEMA} "', '""', "[]", f'["{SCHEMA}"]'):
        found = insert_headers(connection, f'{{"{name}": {value}}}')
        assert found == "event_headers_of_schemas_are_uuids", value
    for value in (f'"{SCHEMA}"', f'"{SCHEMA.upper()}"', "null"):
        assert not insert_headers(connection, f'{{"{name}": {value}}}')
