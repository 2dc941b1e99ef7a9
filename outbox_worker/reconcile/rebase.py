"""New positions for a table whose history was lost, found out event by event.

After a fail-over that lost transactions, a restore or a dump, the positions in
Kafka say nothing any more about the table. What is published is found by event
id in the topics. Then, in one transaction:

- events that are in no topic get this transaction's xid: they are new once more;
- published events whose xid is not of this cluster's past get xid 3;
- dead letters stay aside, but for those that are in a topic: these were redriven;
- orders to park that are open get the xids of today;
- each shard's position becomes this transaction's snapshot S, tight, with new
  witnesses: it shows what is published and neither what was made new nor what
  writers commit meanwhile (both lie above S).

What a topic may have dropped counts as published as far as a position proves it. Where
that in Kafka is of another history, or passed events over that the ledger of dead letters has lost,
the mirror's counts: it was written after the events and the rows of the ledger that it rests on, so
that a database with the mirror has these.

Postgres commits first, then Kafka, then the ledger counts a write, then the mirror. Cut off in
between, nothing is worse than before, and the same command begins anew.
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
from outbox_worker.stores import dead_letter, ledger, mirror, rebase, server
from outbox_worker.stores import scan as scans
from outbox_worker.stores.rebase import Rules, Trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from outbox_worker.position.snapshot import Snapshot
    from outbox_worker.settings import Settings
    from outbox_worker.stores import Connection
    from outbox_worker.stores.rebase import Pair

WRITER: Final = "rebase"
"""What the mirror names as the worker until one takes over."""

EXAMPLES: Final = 20
"""So many of the events that may be published already are named."""


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
class Plan:
    """By shard what was found out; how many events will be published that may have been before.

    `examples` names the first of these: topic and event id.
    """

    shards: Mapping[int, ShardPlan]
    doubtful: int
    examples: Sequence[tuple[str, str]]


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

    def plan(self, since: datetime | None) -> Plan:
        """What `execute` would do; changes nothing, and workers may run."""
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with self._connection.transaction(force_rollback=True):
            rebase.read_snapshot(self._connection)
            old = lookup.known(self._settings, self._connection)
            return self._judge(old, since)

    def execute(self, since: datetime | None, show: Callable[[Plan], None]) -> None:
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
        rebase.count_ledgers(
            self._connection, {shard: each.position.ledger for shard, each in new.items()}
        )
        rows = [as_row(shard, stored) for shard, stored in sorted(new.items())]
        mirror.write_positions(self._connection, self._settings.group, WRITER, rows)

    def _owners(self, groups: set[str]) -> set[str]:
        """Every worker that may have left a transaction open, as Kafka and the mirror name them."""
        owners = {row.worker for row in mirror.list_positions(self._connection)} - {WRITER}
        for group in groups:
            found = lookup.of_group(self._settings, group, is_stable=False)
            owners |= {stored.position.owner for stored in found.values()}
        return owners

    def _judge(self, old: Mapping[int, CommittedPosition], since: datetime | None) -> Plan:
        """Scan the topics and judge each event; leaves the temporary tables behind."""
        connection = self._connection
        positions = {shard: stored.position for shard, stored in old.items()}
        reasons = witnesses.invalid(connection, positions)
        trusted = self._trusted(positions, reasons)
        ledger.create_noted(connection)
        with closing(Scan(self._settings, scans.list_topics(connection))) as scan:
            ranges = scan.ranges()
            self._progress.size(sum(each.end - each.first for each in ranges))
            scanned = scan.copy_into(connection, ranges, self._progress.advance)
        rebase.create_judged(connection)
        said = {shard: _said_by(position) for shard, position in positions.items()}
        rebase.insert_judged(connection, Rules(since, scanned.horizons, trusted, said))
        counts = rebase.count_judged(connection)
        shards = {
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
        doubtful = rebase.list_doubtful(connection, EXAMPLES)
        return Plan(
            shards,
            doubtful[0][2] if doubtful else 0,
            [(topic, event_id) for topic, event_id, _ in doubtful],
        )

    def _trusted(
        self, positions: Mapping[int, Position], reasons: Mapping[int, str]
    ) -> dict[int, Trusted]:
        """By shard what is proved of events that their topic may have dropped.

        By the position, where it stands; else by the mirror's. Of a mirror whose xids are not this
        cluster's the floor holds: ids up to it were given out before it was written. Where the
        ledger has lost what the mirror rests on, too, nothing does.
        """
        connection = self._connection
        mirrored = {n: each.position for n, each in lookup.of_mirror(connection).items()}
        invalid = witnesses.invalid(connection, mirrored)
        ledgers = dead_letter.list_shards(connection, mirrored)
        found = {}
        for shard, position in positions.items():
            kept = mirrored.get(shard)
            if shard not in reasons:
                found[shard] = _said_by(position)
            elif kept is None or validity.has_lost(ledgers[shard].number, kept):
                found[shard] = Trusted(0)
            else:
                found[shard] = Trusted(kept.floor) if shard in invalid else _said_by(kept)
        return found

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
            rebase.renew_orders(self._connection)
            rebase.settle_dead_letters(self._connection)
            rebase.settle_deleted(self._connection, snapshot, is_foreign=is_foreign)
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
                replace(
                    _position(system, snapshot, pairs.get(shard)),
                    ledger=_next_write(ledgers[shard], old.get(shard)),
                ),
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


def _next_write(number: int, old: CommittedPosition | None) -> int:
    """The write to a shard's ledger on which its new position rests; 0 where it has none.

    Higher than all that an old position may name, so that a ledger without it is noticed.
    """
    known = max(number, old.position.ledger if old else 0)
    return known + 1 if known else 0


def _said_by(position: Position) -> Trusted:
    """What a position says of the events of its shard."""
    backlog = position.backlog
    if backlog is None:
        return Trusted(position.floor, str(position.seen))
    return Trusted(position.floor, str(position.seen), str(backlog.upper), backlog.cursor)
