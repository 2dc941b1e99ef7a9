"""New positions for a table whose history was lost, found out event by event.

After a fail-over that lost transactions, a restore or a dump, the positions in
Kafka say nothing any more about the table. What is published is found by event
id in the topics. Then, in one transaction:

- events that are in no topic get this transaction's xid: they are new once more;
- published events whose xid is not of this cluster's past get xid 3;
- dead letters stay aside, but for those that are in a topic: these were redriven;
- each shard's position becomes this transaction's snapshot S, tight, with new
  witnesses: it shows what is published and neither what was made new nor what
  writers commit meanwhile (both lie above S).

Postgres commits first, then Kafka, then the mirror. Cut off in between, nothing
is worse than before, and the same command begins anew.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.errors import ServerError, WorkFailedError
from outbox_worker.kafka import anchor
from outbox_worker.kafka.clients import make_admin
from outbox_worker.position import validity
from outbox_worker.position.position import Position, Witness, digest_of, system_digest
from outbox_worker.published import lookup, witnesses
from outbox_worker.published.committed import CommittedPosition, as_offset, as_row
from outbox_worker.reconcile import idle_group
from outbox_worker.reconcile.topic_scan import Scan
from outbox_worker.settings import SHARDS
from outbox_worker.stores import ledger, mirror, rebase, server
from outbox_worker.stores import scan as scans
from outbox_worker.stores.rebase import Rules, Trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection
    from outbox_worker.stores.rebase import Pair

WRITER: Final = "rebase"
"""What the mirror names as the worker until one takes over."""


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """Counts of a shard's events by what was found out, and why its old position fails, if so."""

    found: int
    dropped: int
    since: int
    unpublished: int
    parked: int
    discarded: int
    lost: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Whom to tell how many offsets there are to read, and of each that was read."""

    size: Callable[[int], object]
    advance: Callable[[int], object]


class Rebase:
    """One run over one database and one group."""

    def __init__(self, settings: Settings, connection: Connection, progress: Progress) -> None:
        """Nothing is reached yet."""
        self._settings = settings
        self._connection = connection
        self._progress = progress
        self._admin = make_admin(settings)

    def plan(self, since: datetime | None) -> dict[int, ShardPlan]:
        """What `execute` would do, by shard; changes nothing, and workers may run."""
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with self._connection.transaction(force_rollback=True):
            rebase.read_snapshot(self._connection)
            old = lookup.known(self._settings, self._connection)
            return self._judge(old, since)

    def execute(self, since: datetime | None, show: Callable[[dict[int, ShardPlan]], None]) -> None:
        """Write new positions, after `show` was given the plan.

        `WorkFailedError` while workers are in the group, where one came meanwhile, and where
        so many transactions are in progress that a position does not fit; `ServerError`
        where the right to update events is missing.
        """
        anchor.ensure_topic(self._admin)
        groups = {row.group_name for row in mirror.list_positions(self._connection)}
        groups.add(self._settings.group)
        idle_group.await_empty(self._admin, groups)
        idle_group.abort_open_transactions(self._settings, self._owners(groups))
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with self._connection.transaction():
            snapshot = rebase.read_snapshot(self._connection)
            old = lookup.known(self._settings, self._connection)
            show(self._judge(old, since))
            new = self._rewrite(snapshot, old)
            places = [as_offset(shard, each, is_new=True) for shard, each in sorted(new.items())]
            idle_group.await_empty(self._admin, groups, 0.0)
            if lookup.known(self._settings, self._connection) != old:
                raise WorkFailedError(
                    "A worker published while this ran; nothing was changed",
                    "Stop the workers, then run `outbox-worker rebase --execute` again",
                )
        idle_group.commit(self._settings, places)
        rows = [as_row(shard, stored) for shard, stored in sorted(new.items())]
        mirror.write_positions(self._connection, self._settings.group, WRITER, rows)

    def _owners(self, groups: set[str]) -> set[str]:
        """Every worker that may have left a transaction open, as Kafka and the mirror name them."""
        owners = {row.worker for row in mirror.list_positions(self._connection)} - {WRITER}
        for group in groups:
            found = lookup.of_group(self._settings, group, is_stable=False)
            owners |= {stored.position.owner for stored in found.values()}
        return owners

    def _judge(
        self, old: Mapping[int, CommittedPosition], since: datetime | None
    ) -> dict[int, ShardPlan]:
        """Scan the topics and judge each event; leaves the temporary tables behind."""
        connection = self._connection
        reasons = self._reasons(old)
        ledger.create_noted(connection)
        with closing(Scan(self._settings, scans.list_topics(connection))) as scan:
            ranges = scan.ranges()
            self._progress.size(sum(each.end - each.first for each in ranges))
            scanned = scan.copy_into(connection, ranges, self._progress.advance)
        rebase.create_judged(connection)
        trusted = {shard: _trusted(old[shard], reasons[shard]) for shard in old}
        rebase.insert_judged(connection, Rules(since, scanned.horizons, trusted))
        counts = rebase.count_judged(connection)
        return {
            shard: ShardPlan(
                found=counts.get((shard, "found"), 0),
                dropped=counts.get((shard, "dropped"), 0),
                since=counts.get((shard, "since"), 0),
                unpublished=counts.get((shard, "unpublished"), 0),
                parked=counts.get((shard, "parked"), 0),
                discarded=counts.get((shard, "discarded"), 0),
                lost=reasons.get(shard, ""),
            )
            for shard in range(SHARDS)
        }

    def _reasons(self, old: Mapping[int, CommittedPosition]) -> dict[int, str]:
        """By shard why its old position fails; empty where it stands."""
        held = (stored.position for stored in old.values())
        table = witnesses.table_for(self._connection, held)
        return {
            shard: validity.why_invalid(stored.position, table) for shard, stored in old.items()
        }

    def _rewrite(
        self, snapshot: Snapshot, old: Mapping[int, CommittedPosition]
    ) -> dict[int, CommittedPosition]:
        """Give events new xids; the positions that fit them."""
        system = system_digest(server.read_identity(self._connection).system)
        is_foreign = not old or any(
            each.position.top is not None and each.position.system != system
            for each in old.values()
        )
        try:
            rebase.reset_purged(self._connection)
            rebase.mark_unpublished(self._connection, is_foreign=is_foreign)
            rebase.mark_published(self._connection, snapshot, is_foreign=is_foreign)
            rebase.settle_dead_letters(self._connection)
            rebase.forget_dead_letters(self._connection)
            ledgers = rebase.take_ledgers(self._connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ServerError(
                "The database refuses to change xids of events: "
                f"{error.diag.message_primary}; nothing was changed",
                "Run rebase as the owner of the schema outbox (who ran `migrate`), or let an "
                "administrator grant this user the role outbox_operator",
            ) from error
        pairs = rebase.list_witnesses(self._connection)
        mirrored = lookup.of_mirror(self._connection)
        return {
            shard: CommittedPosition(
                1
                + max((each[shard].batch for each in (old, mirrored) if shard in each), default=0),
                replace(_position(system, snapshot, pairs.get(shard)), ledger=ledgers[shard]),
            )
            for shard in range(SHARDS)
        }


def _position(system: bytes, snapshot: Snapshot, pair: Pair | None) -> Position:
    """A shard's new position; without a published event it has seen nothing."""
    empty = Position(system, "")
    if pair is None:
        return empty
    top, last = (Witness(xid, row_id, digest_of(event)) for xid, row_id, event in pair)
    return replace(empty, seen=snapshot.tighten(top.xid), top=top, last=last)


def _trusted(stored: CommittedPosition, lost: str) -> Trusted:
    """What an old position proves of events that their topic may have dropped.

    Its floor holds whatever became of xids; its snapshots only while its witnesses stand.
    """
    position = stored.position
    if lost:
        return Trusted(position.floor)
    backlog = position.backlog
    if backlog is None:
        return Trusted(position.floor, str(position.seen))
    return Trusted(position.floor, str(position.seen), str(backlog.upper), backlog.cursor)
