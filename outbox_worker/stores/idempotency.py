"""Statements over the keys that writers gave to publish()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from outbox_worker.stores import Connection


def count_keys(connection: Connection, before: datetime) -> int:
    """How many keys are older than `before`."""
    return _count(connection, "idempotency/count_keys", before)


def count_unowned_keys(connection: Connection, before: datetime) -> int:
    """How many keys from before keys belonged to writers are older than `before`."""
    return _count(connection, "idempotency/count_unowned_keys", before)


def purge_keys(
    connection: Connection, after: datetime, before: datetime, rows: int
) -> tuple[int, datetime | None]:
    """Delete up to `rows` keys with `after` <= time < `before`: how many, the newest of them."""
    parameters = {"after": after, "before": before, "rows": rows}
    return _purge(connection, "idempotency/purge_keys", parameters)


def purge_unowned_keys(
    connection: Connection, after: datetime, before: datetime, rows: int
) -> tuple[int, datetime | None]:
    """As `purge_keys`, of keys from before keys belonged to writers."""
    parameters = {"after": after, "before": before, "rows": rows}
    return _purge(connection, "idempotency/purge_unowned_keys", parameters)


def _count(connection: Connection, name: str, before: datetime) -> int:
    row = connection.execute(sql.load(name), {"before": before}).fetchone()
    return 0 if row is None else int(row[0])


def _purge(
    connection: Connection, name: str, parameters: Mapping[str, object]
) -> tuple[int, datetime | None]:
    found = connection.execute(sql.load(name), parameters).fetchone()
    if found is None:
        raise RuntimeError(f"{name} returned no row")
    return int(found[0]), found[1]
