"""Days that are old enough to be purged, and mirrors that say what of them is published."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from outbox_worker.position.codec import encode
from outbox_worker.position.position import Backlog, Position, Witness, system_digest
from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.purge import events
from outbox_worker.stores import mirror, partition, server
from outbox_worker.stores.mirror import Written

if TYPE_CHECKING:
    from outbox_worker.purge.events import Purged
    from outbox_worker.stores import Connection


SESSION: Final = events.OPTIONS
"""As `outbox-worker purge` connects."""

OLD = datetime.now(UTC) - timedelta(days=20)
LIMIT = events.EventCutoff.of_days(10, 30)


def insert(link: Connection, count: int, when: datetime = OLD) -> None:
    link.execute(
        "INSERT INTO outbox.event (topic, key, type, created_at) "
        "SELECT 't', n::text, 'v', %s FROM generate_series(1, %s) AS n",
        (when, count),
    )


def publish_all(
    link: Connection, *, but: int | None = None, backlog: Backlog | None = None
) -> None:
    """Write the mirror as if all that is visible were published, but for one shard."""
    row = link.execute("SELECT pg_current_snapshot()::text").fetchone()
    assert row is not None
    seen = NOTHING if backlog else Snapshot.parse(row[0])
    position = encode(Position(b"syst", "w", seen, backlog))
    upper = None if backlog is None else str(backlog.upper)
    cursor = None if backlog is None else backlog.cursor
    given = [
        Written(shard, 1, position, str(seen), upper, cursor, 0, None, None)
        for shard in range(16)
        if shard != but
    ]
    mirror.write_positions(link, "group", "w", given)


def run(link: Connection, *, dry_run: bool = False) -> Purged:
    return events.run_once(link, LIMIT, lambda _: None, dry_run=dry_run)


def count(link: Connection) -> int:
    row = link.execute("SELECT count(*) FROM outbox.event").fetchone()
    assert row is not None
    return int(row[0])


def make_day(link: Connection, when: datetime = OLD) -> date:
    assert partition.add_partition(link, when.date()) is partition.Added.MADE
    return when.date()


def publish_truly(
    link: Connection, *, event: str | None = None, missing: int = 0, ledger: int = 0
) -> None:
    """Write the mirror as a worker does: all of `true_positions`."""
    given = true_positions(link, event=event, missing=missing, ledger=ledger)
    assert mirror.write_positions(link, "group", "w", given) == len(given)


def true_positions(
    link: Connection, *, event: str | None = None, missing: int = 0, ledger: int = 0
) -> list[Written]:
    """What a worker writes, with witnesses; say to have published `event`, too.

    `missing` is added to the ids of the witnesses; they rest on the write `ledger`.
    """
    identity = server.read_identity(link)
    system = system_digest(identity.system)
    rows = link.execute(
        "SELECT DISTINCT ON (shard) id, xid::text::bigint, shard, event_id::text "
        "FROM outbox.event ORDER BY shard, id DESC"
    ).fetchall()
    given = []
    for row_id, xid, shard, event_id in rows:
        witness = Witness.of((row_id + missing, xid, shard, event or event_id))
        seen = identity.fresh.tighten(xid)
        position = Position(system, "w", seen, None, 0, witness, witness, ledger)
        text = encode(position)
        given.append(Written(shard, 1, text, str(seen), None, None, 0, row_id, xid, ledger))
    return given


def make_everything_old(link: Connection) -> None:
    """A published day, published events of the default partition, and a key: all old."""
    make_day(link)
    insert(link, 10)
    insert(link, 5, OLD - timedelta(days=5))
    link.execute("SELECT outbox.publish('t', 'k', 'v', '1', idempotency_key => 'old')")
    link.execute("UPDATE outbox.idempotency_key SET created_at = now() - interval '31 days'")
    publish_all(link)
