"""Statements over the keys that writers gave to publish()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import datetime

    from outbox_worker.stores import Connection


def count_keys(connection: Connection, before: datetime) -> int:
    """How many keys are older than `before`."""
    row = connection.execute(sql.load("idempotency/count_keys"), {"before": before}).fetchone()
    return 0 if row is None else int(row[0])


def purge_keys(
    connection: Connection, after: datetime, before: datetime, rows: int
) -> tuple[int, datetime | None]:
    """Delete up to `rows` keys with `after` <= time < `before`: how many, the newest of them."""
    parameters = {"after": after, "before": before, "rows": rows}
    found = connection.execute(sql.load("idempotency/purge_keys"), parameters).fetchone()
    if found is None:
        raise RuntimeError("idempotency/purge_keys returned no row")
    return int(found[0]), found[1]
