"""What docs/writers.md says of texts as payloads: which bytes go out, and which are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

PAYLOADS: Final = "SELECT payload FROM outbox.event ORDER BY id"
PUBLISH: Final = "SELECT outbox.publish('t', 'k', 'v', %s)"
PUBLISH_BYTES: Final = "SELECT outbox.publish_bytes('t', 'k', 'v', %s)"
INSERT: Final = "INSERT INTO outbox.event (topic, type, payload) VALUES ('t', 'v', %s)"
INSERT_CONVERTED: Final = INSERT.replace("%s", "convert_to(%s, 'UTF8')")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"bb":1,  "a":[1,2]}', '{"a": [1, 2], "bb": 1}'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ("1e3", "1000"),
        (r'"\u00e5"', '"å"'),
        (r'"C:\\temp"', r'"C:\\temp"'),
    ],
)
def test_json_goes_out_as_jsonb_prints_it_and_bytes_as_they_are(
    connection: Connection, text: str, written: str
) -> None:
    connection.execute(PUBLISH, (text,))
    connection.execute(PUBLISH_BYTES, (text.encode(),))
    found = [payload for (payload,) in connection.execute(PAYLOADS).fetchall()]
    assert found == [written.encode(), text.encode()]


@pytest.mark.parametrize("order", [INSERT, PUBLISH_BYTES])
def test_a_text_without_a_type_loses_a_backslash_on_its_way_to_bytes(
    connection: Connection, order: str
) -> None:
    """Also as a literal, which is read in the same way."""
    connection.execute(order.encode(), (r"C:\\temp",))
    connection.execute(order.replace("%s", r"'C:\\temp'").encode())
    assert connection.execute(PAYLOADS).fetchall() == [(rb"C:\temp",)] * 2
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        connection.execute(order.encode(), (r"C:\temp",))


def test_bytes_and_a_text_that_is_converted_keep_every_backslash(connection: Connection) -> None:
    for text in (r"C:\temp", r"C:\\temp"):
        connection.execute(INSERT, (text.encode(),))
        connection.execute(INSERT_CONVERTED, (text,))
    found = [payload for (payload,) in connection.execute(PAYLOADS).fetchall()]
    assert found == [rb"C:\temp"] * 2 + [rb"C:\\temp"] * 2
