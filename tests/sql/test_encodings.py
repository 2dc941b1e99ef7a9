"""A database of another encoding than UTF8: what it has letters for goes, bytes go whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations
from tests.harness.databases import make_empty_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

INSERT: Final = """
    INSERT INTO outbox.event (topic, key, type, payload) VALUES ('t', 'k', 'v', %s)
    RETURNING content_type, payload"""
PUBLISH: Final = "SELECT outbox.publish('t', %s, 'v', %s::jsonb)"

JSON: Final = (
    '{"paid": "10 €"}',
    '["日本", "\\u20ac"]',
    ' "\\"€\\\\"',
    '{"\\\\303": "€\\n"}',
)
OTHER: Final = (
    b'{"paid": "10 \xe2\x82\xac"',
    b'["\xe2\x82\xac", 12\xe2\x82\xac]',
    b'"\xe2\x82\xac\x01n"',
    b'"\xe2\x82\xac\x00"',
    b'"\xe2\x82\xac\\303"',
    b'"\xe2\x82\xac\xff"',
    b'"\xe2\x82"',
)


@pytest.fixture(scope="module", params=["LATIN1", "EUC_TW"])
def elsewhere(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A migrated database of an encoding without the euro, or with other bytes for all."""
    name = make_empty_database(postgres, encoding=request.param)
    with connections.connect(postgres.url(name), application="tests") as link:
        migrations.apply(link)
        yield link


@pytest.mark.parametrize("text", JSON)
def test_json_is_called_so_also_where_the_database_has_no_such_letters(
    elsewhere: Connection, text: str
) -> None:
    written = elsewhere.execute(INSERT, (text.encode(),)).fetchone()
    assert written == ("application/json", text.encode())


@pytest.mark.parametrize("form", ["on", "off"])
def test_it_does_not_matter_how_the_writers_session_reads_a_backslash(
    elsewhere: Connection, form: str
) -> None:
    with connections.connect(elsewhere.info.dsn, application="tests") as link:
        link.execute(f"SET standard_conforming_strings = {form}".encode())
        for text in JSON:
            assert link.execute(INSERT, (text.encode(),)).fetchone() == (
                "application/json",
                text.encode(),
            )


@pytest.mark.parametrize("payload", OTHER)
def test_what_is_no_json_is_not(elsewhere: Connection, payload: bytes) -> None:
    written = elsewhere.execute(INSERT, (payload,)).fetchone()
    assert written == ("application/octet-stream", payload)


@pytest.mark.parametrize(("key", "payload"), [("€", "{}"), ("k", '"€"'), ("k", '"\\u20ac"')])
def test_text_that_the_database_cannot_hold_is_refused_at_the_insert(
    elsewhere: Connection, key: str, payload: str
) -> None:
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        elsewhere.execute(PUBLISH, (key, payload))
