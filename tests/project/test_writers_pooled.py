"""Writers behind PgBouncer in transaction mode: who needs what, as docs/writers.md says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import pytest
import sqlalchemy as sa
from psycopg import conninfo
from sqlalchemy.ext.asyncio import create_async_engine

from tests.harness.pooler import Pooler, carries_prepared

if TYPE_CHECKING:
    from pathlib import Path

    from outbox_worker.stores import Connection

ROUNDS: Final = 8
"""psycopg prepares a statement the sixth time."""

TYPES: Final = {"first": "order.placed", "second": "order.paid"}
"""What each of two connections publishes, with its own name as the key."""

STATEMENT: Final = "SELECT outbox.publish('orders', {}, '{}', '1')"
READ: Final = "SELECT key, type, count(*) FROM outbox.event GROUP BY key, type ORDER BY key"

SWITCHES: Final[dict[str, dict[str, Any]]] = {
    "psycopg2": {},
    "pg8000": {},
    "psycopg": {"prepare_threshold": None},
    "asyncpg": {"statement_cache_size": 0},
    "asyncpg alone": {"statement_cache_size": 0},
}
"""How each is set to prepare nothing; those without a setting prepare nothing that stays."""


def write(first: sa.Connection, second: sa.Connection) -> None:
    """Two transactions at once, again and again, which change their sessions each time."""
    links = {"first": first, "second": second}
    for _ in range(ROUNDS):
        for key, link in links.items():
            link.execute(sa.text(STATEMENT.format(":key", TYPES[key])), {"key": key})
        # The one that ends first is the next to be given out, to who asks first.
        second.commit()
        first.commit()


def write_through(url: sa.URL, switches: dict[str, Any]) -> None:
    """By SQLAlchemy's engine of this driver."""
    engine = sa.create_engine(url, connect_args=switches)
    try:
        with engine.connect() as first, engine.connect() as second:
            write(first, second)
    finally:
        engine.dispose()


async def write_asynchronously(url: sa.URL, switches: dict[str, Any]) -> None:
    """By SQLAlchemy's asynchronous engine."""
    engine = create_async_engine(url, connect_args=switches)
    try:
        async with engine.connect() as first, engine.connect() as second:
            await first.run_sync(lambda link: write(link, second.sync_connection or link))
    finally:
        await engine.dispose()


async def write_by_asyncpg(url: sa.URL, switches: dict[str, Any]) -> None:
    """By asyncpg itself, in the same order."""
    place = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
    links = {key: await asyncpg.connect(**place, **switches) for key in TYPES}
    try:
        for _ in range(ROUNDS):
            begun = [link.transaction() for link in links.values()]
            for transaction in begun:
                await transaction.start()
            for key, link in links.items():
                await link.fetchval(STATEMENT.format("$1", TYPES[key]), key)
            for transaction in reversed(begun):
                await transaction.commit()
    finally:
        for link in links.values():
            await link.close()


def run(driver: str, pooler: str, switches: dict[str, Any]) -> None:
    given = conninfo.conninfo_to_dict(pooler)
    url = sa.URL.create(
        f"postgresql+{driver.partition(' ')[0]}",
        username=str(given["user"]),
        host=str(given["host"]),
        port=int(str(given["port"])),
        database=str(given["dbname"]),
    )
    if driver == "asyncpg":
        asyncio.run(write_asynchronously(url, switches))
    elif driver == "asyncpg alone":
        asyncio.run(write_by_asyncpg(url, switches))
    else:
        write_through(url, switches)


CASES: Final = [
    *[(driver, {}) for driver in SWITCHES],
    *[(driver, switches) for driver, switches in SWITCHES.items() if switches],
]


@pytest.mark.parametrize(
    ("driver", "switches"),
    CASES,
    ids=[f"{driver} {'told to prepare nothing' if told else ''}".strip() for driver, told in CASES],
)
def test_writers_behind_transaction_pooling_need_what_the_page_says(
    connection: Connection, database: str, tmp_path: Path, driver: str, switches: dict[str, Any]
) -> None:
    needs_more = SWITCHES[driver] != switches and not carries_prepared()
    with Pooler(database, tmp_path, "transaction", size=2, round_robin=True) as pooler:
        try:
            run(driver, pooler.url, switches)
        except (sa.exc.DBAPIError, asyncpg.PostgresError):
            assert needs_more
    rows = connection.execute(READ).fetchall()
    # Without an error one may have run what the other prepared under the same name.
    assert (rows == [(key, kind, ROUNDS) for key, kind in TYPES.items()]) is not needs_more
