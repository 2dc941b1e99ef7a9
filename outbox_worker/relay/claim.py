"""Before a shard is served: its position held against the table, and made ours.

After a fail-over to a standby that lagged, a restore or a dump, transaction ids
are used a second time, and new rows would look published. So on every connection
and assignment the positions are checked; see `position.validity`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from outbox_worker.errors import HistoryLostError, SettingsError
from outbox_worker.position import validity
from outbox_worker.position.position import Place, Position, advance, summarize
from outbox_worker.postgres import switchover
from outbox_worker.published import witnesses
from outbox_worker.published.committed import CommittedPosition, from_mirror
from outbox_worker.relay import holds, ledger_check
from outbox_worker.relay.cohorts import Cohort, Stand
from outbox_worker.stores import mirror, outbox
from outbox_worker.stores.outbox import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from outbox_worker.position.row import EventRow
    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.dead_letters import DeadLetters
    from outbox_worker.relay.reader import TableReader
    from outbox_worker.relay.topics import Topics
    from outbox_worker.stores import Connection
    from outbox_worker.stores.mirror import Mirrored
    from outbox_worker.stores.outbox import Limits

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class Entry:
    """A shard that may be served: its position to be, and rows that go out with it.

    `is_claim` says that Kafka has to hear of the position before the shard is
    served: it names us as the owner, so that whoever takes over knows whom to fence, and
    proves that the shard was ours when we took over its ledger of dead letters.
    """

    shard: int
    stored: CommittedPosition
    is_claim: bool
    stragglers: list[EventRow]

    def claimed(self) -> Entry:
        """The same, as one of which Kafka has to hear."""
        stored = CommittedPosition(self.stored.batch + 1, self.stored.position)
        return replace(self, stored=stored, is_claim=True)

    @property
    def cohort(self) -> Cohort:
        """The shard alone at its place."""
        position = self.stored.position
        backlog = position.backlog
        cursor = position.floor if backlog is None else backlog.cursor
        stand = Stand(position.seen, position.floor, cursor)
        return Cohort({self.shard: stand}, None if backlog is None else backlog.upper)


class Claims:
    """Checks positions for one group and one owner."""

    def __init__(
        self,
        group: str,
        owner: Callable[[], str],
        topics: Topics,
        size: BatchSize,
        dead_letters: DeadLetters,
    ) -> None:
        """`owner` tells our transactional id, under which we publish now."""
        self._size = size
        self._dead_letters = dead_letters
        self._group = group
        self._owner = owner
        self._topics = topics
        self.may_send_stragglers = True
        """False after Kafka refused one: they then come after the backlog, as its newer rows."""

    def examine(
        self, reader: TableReader, known: Mapping[int, CommittedPosition | None]
    ) -> list[Entry]:
        """Entries for all shards of `known`, whose ledgers of dead letters are taken over.

        Raises `HistoryLostError` where the table has lost what was published, or is another
        server's (see `switchover`), or the ledger has lost dead letters, and
        `SettingsError` where another group publishes it.
        """
        connection = reader.connection
        held, table = self._check(connection, known)
        # Before Kafka hears of it: whoever had a shard before adds nothing to its ledger any more.
        unclaimed = self._dead_letters.enter(connection, held)
        entries, left = [], reader.limits
        for shard, stored in held.items():
            entry = self._entry(connection, shard, stored, table, left)
            if shard in unclaimed and not entry.is_claim:
                entry = entry.claimed()
            left = left.without(entry.stragglers)  # All claims are one transaction.
            entries.append(entry)
        return entries

    def look(self, reader: TableReader, known: Mapping[int, CommittedPosition | None]) -> None:
        """Raise as `examine` would, and take nothing over: others may serve these shards."""
        held, _ = self._check(reader.connection, known)
        ledger_check.look_over(reader.connection, held)

    def _check(
        self, connection: Connection, known: Mapping[int, CommittedPosition | None]
    ) -> tuple[dict[int, CommittedPosition], validity.Table]:
        """The positions held against the table, and what it says."""
        held = self._fill_in(connection, known)
        table = witnesses.table_for(connection, (each.position for each in held.values()))
        for shard, stored in held.items():
            reason = validity.why_invalid(stored.position, table)
            if reason:
                raise HistoryLostError(
                    f"Shard {shard}: {reason}. A fail-over, restore or dump lost what was "
                    "published, so that new events would be taken for published ones; "
                    "nothing is published",
                    f"Stop writing if you can, then {witnesses.HINT}",
                )
        switchover.see_that_events_are_ours(connection)
        switchover.see_that_numbers_go_on(connection)
        return held, table

    def _entry(
        self,
        connection: Connection,
        shard: int,
        stored: CommittedPosition,
        table: validity.Table,
        limits: Limits,
    ) -> Entry:
        position = validity.reconnect(stored.position, table.fresh)
        rows: list[EventRow] = []
        if position.backlog is not None:
            rows = _stragglers(connection, shard, position, stored, table, limits)
            if not limits.reached_by(rows) and self._can_go(rows):
                position = _with_stragglers(validity.reborder(position, table.fresh), shard, rows)
            else:
                rows = []
        owner = self._owner()
        position = replace(position, owner=owner, system=table.system)
        is_claim = stored.position.owner != owner or bool(rows)
        batch = stored.batch + 1 if is_claim else stored.batch
        return Entry(shard, CommittedPosition(batch, position), is_claim, rows)

    def _can_go(self, rows: list[EventRow]) -> bool:
        """Whether stragglers can go out with the claim, so that nothing holds up other shards."""
        if not rows:
            return True
        return (
            self.may_send_stragglers
            and not self._dead_letters.concerns(rows)
            and not holds.obstacles(self._topics, self._size, rows)
        )

    def _fill_in(
        self, connection: Connection, known: Mapping[int, CommittedPosition | None]
    ) -> dict[int, CommittedPosition]:
        """The positions; where Kafka knows none, from the mirror, or from the start."""
        mirrored = {row.shard: row for row in mirror.list_positions(connection)}
        for row in mirrored.values():
            if row.group_name != self._group:
                raise SettingsError(
                    f"The events of this database are published by group {row.group_name}, "
                    f"not by OUTBOX_GROUP {self._group}",
                    f"Set OUTBOX_GROUP={row.group_name}; to rename the group, stop its workers "
                    "and run `outbox-worker rebase --execute` with the new name",
                )
        return {
            shard: stored or _from_mirror(shard, mirrored.get(shard))
            for shard, stored in known.items()
        }


def _from_mirror(shard: int, row: Mirrored | None) -> CommittedPosition:
    """The position of a shard that Kafka has forgotten, or never knew."""
    if row is None:
        return CommittedPosition(0, Position(b"", ""))
    log.warning(
        "positions_from_mirror",
        shard=shard,
        written_at=row.updated_at.isoformat(),
        meaning="Kafka forgot the group; events published after that moment, if any, "
        "are repeated (none after a clean stop)",
    )
    return from_mirror(row)


def _stragglers(
    connection: Connection,
    shard: int,
    position: Position,
    stored: CommittedPosition,
    table: validity.Table,
    limits: Limits,
) -> list[EventRow]:
    old = stored.position.backlog
    if old is None:
        return []
    gap = Gap(position.seen, old.upper, table.fresh, position.floor, old.cursor)
    return outbox.read_stragglers(connection, shard, gap, limits.rows)


def _with_stragglers(position: Position, shard: int, rows: list[EventRow]) -> Position:
    if not rows or position.backlog is None:
        return position
    backlog = position.backlog
    place = Place(position.seen, backlog.upper, backlog.cursor, position.floor)
    return advance(position, summarize(rows)[shard], place)
