"""Writers behind a PgBouncer that shares sessions by transaction, as docs/writers.md says."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import psycopg
import pytest
from psycopg import conninfo

from tests.harness.pooler import Pooler, carries_prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from outbox_worker.stores import Connection

CLIENTS: Final = 4
SESSIONS: Final = 2
EVENTS: Final = 40
PUBLISH: Final = "SELECT outbox.publish('t', '{key}', '{key}', jsonb_build_object('n', {n}::int))"
COUNT: Final = """
    SELECT type, count(*) FROM outbox.event GROUP BY type ORDER BY type"""


@pytest.fixture
def pooled(database: str, tmp_path: Path) -> Iterator[str]:
    """The URL of the database behind a pooler with fewer sessions than there are clients."""
    with Pooler(database, tmp_path, "transaction", size=SESSIONS) as pooler:
        yield pooler.url


def write_with_psycopg(url: str, key: str) -> None:
    """Prepared at once, and every fourth transaction is rolled back."""
    threshold = 0 if carries_prepared() else None
    order = PUBLISH.format(key=key, n="%s").encode()
    with psycopg.connect(url, prepare_threshold=threshold) as link:
        for number in range(EVENTS):
            link.execute(order, (number,))
            link.commit()
            if number % 4 == 0:
                link.execute(order, (-1,))
                link.rollback()


def write_with_asyncpg(url: str, key: str) -> None:
    async def write() -> None:
        options: dict[str, Any] = {} if carries_prepared() else {"statement_cache_size": 0}
        parts = conninfo.conninfo_to_dict(url)
        link = await asyncpg.connect(
            host=parts["host"],
            port=int(str(parts["port"])),
            user=parts["user"],
            database=parts["dbname"],
            **options,
        )
        order = PUBLISH.format(key=key, n="$1")
        for number in range(EVENTS):
            async with link.transaction():
                await link.execute(order, number)
            if number % 4 == 0:
                given_up = link.transaction()
                await given_up.start()
                await link.execute(order, -1)
                await given_up.rollback()
        await link.close()

    asyncio.run(write())


@pytest.mark.parametrize("write", [write_with_psycopg, write_with_asyncpg])
def test_writers_share_sessions(
    pooled: str, connection: Connection, write: Callable[[str, str], None]
) -> None:
    keys = [f"client {number}" for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(write, pooled, key) for key in keys]:
            done.result()
    assert connection.execute(COUNT).fetchall() == [(key, EVENTS) for key in keys]
