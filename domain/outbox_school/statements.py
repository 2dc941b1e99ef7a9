"""How the domain runs a statement: on the caller's connection, whatever that makes of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import tuple_row

from outbox_worker.application import Statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from outbox_worker.application import Connection


sql: Final = Statements("outbox_school")


def execute(
    connection: Connection, name: str, parameters: Mapping[str, object]
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run `sql/<name>.sql`; its rows are tuples, also where the caller's are dicts or models."""
    return connection.cursor(row_factory=tuple_row).execute(sql.load(name), parameters)
