# long: one loop, and what each of its steps may come to
"""The relay of one worker: consumer group -> reader -> transaction -> position.

`run_once()` does one step; the daemon's loop around it is a few lines. Nothing
here sleeps but the wait in the group's poll.

A shard comes to us in four steps: Kafka assigns it (`Group`), Kafka is asked where it stands
(`PositionLookup`), the table whether that is still true (`Claims`), and it is served (`Cohorts`).
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

import psycopg
import structlog

from outbox_worker.errors import HistoryLostError, ServerError
from outbox_worker.position.codec import PositionTooLargeError
from outbox_worker.position.row import ID, EventRow, id_of
from outbox_worker.relay import holds
from outbox_worker.relay import states as shard_states
from outbox_worker.relay.outcome import Aborted, Committed, Discarded, Interrupted, Rejected
from outbox_worker.relay.position_limit import PositionLimit
from outbox_worker.relay.publisher import positions_after, resign
from outbox_worker.relay.reader import Connected
from outbox_worker.relay.redrive import NOT_OURS
from outbox_worker.relay.renewal import Renewal
from outbox_worker.relay.serving import Serving
from outbox_worker.settings import IDLE_POLL_GROWTH, IDLE_POLL_MAX_S, IDLE_POLL_MIN_S, SHARDS
from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from outbox_worker.observe.metrics import RelayMetrics
    from outbox_worker.published.committed import CommittedPosition
    from outbox_worker.relay.batch_size import BatchSize
    from outbox_worker.relay.claim import Claims
    from outbox_worker.relay.cohorts import Cohorts
    from outbox_worker.relay.dead_letters import DeadLetters
    from outbox_worker.relay.group import Group
    from outbox_worker.relay.position_lookup import PositionLookup
    from outbox_worker.relay.publisher import Publisher
    from outbox_worker.relay.reader import Batch, TableReader
    from outbox_worker.relay.redrive import Redrive
    from outbox_worker.relay.shapes import Shape
    from outbox_worker.relay.sources import Sources
    from outbox_worker.relay.topics import Topics
    from outbox_worker.relay.transaction import Transactions
    from outbox_worker.stores.shard_state import ShardState

RECHECK_S: Final = 5.0
"""How often a worker that refused asks whether the positions were mended."""

log = structlog.get_logger("relay")


@dataclass(frozen=True, slots=True)
class RelayParts:
    """What a relay is wired from."""

    group: Group
    lookups: PositionLookup
    size: BatchSize
    reader: TableReader
    claims: Claims
    topics: Topics
    sources: Sources
    transactions: Transactions
    publisher: Publisher
    dead_letters: DeadLetters
    redrive: Redrive
    metrics: RelayMetrics


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is published: the positions are of another history. Looked at again by the clock."""

    error: HistoryLostError
    rest: Deadline


class Relay:
    """Publishes what is committed in the table, for the shards that Kafka gives us."""

    def __init__(self, parts: RelayParts) -> None:
        """Take the wired parts; nothing is reached before `run_once`."""
        self._parts = parts
        self._serving = Serving()
        self._committed: dict[int, CommittedPosition] = {}
        self._known: dict[int, CommittedPosition | None] = {}
        self._limit, self._renewal = PositionLimit(), Renewal()
        self._refusal: Refusal | None = None
        self._wait = 0.0

    @property
    def refusal(self) -> HistoryLostError | None:
        """Why nothing is published until a person acts, if so."""
        return None if self._refusal is None else self._refusal.error

    @property
    def positions(self) -> Mapping[int, CommittedPosition]:
        """By shard that is served, its committed position."""
        return dict(self._committed)

    @property
    def unserved(self) -> frozenset[int]:
        """Shards that are ours, and whose position is not known yet."""
        return self._parts.group.owned - self._committed.keys()

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """By topic, as it was found last."""
        return self._parts.topics.shapes

    @property
    def owned(self) -> frozenset[int]:
        """The shards that Kafka gave us."""
        return self._parts.group.owned

    @property
    def states(self) -> dict[int, ShardState]:
        """What each of our shards does; of all 16 where we refuse or Kafka is away."""
        group, cohorts = self._parts.group, self._serving.cohorts
        served = set(dict(self._committed))
        return shard_states.of_shards(
            group.owned, served, cohorts, group.complaints.faults, self.refusal
        )

    @property
    def sources(self) -> Sources:
        """The CloudEvents sources of writers, which others refresh while the connection stays."""
        return self._parts.sources

    def troubles(self) -> dict[str, str]:
        """By neighbour (database, broker, group) what is wrong, empty where nothing is."""
        parts = self._parts
        member = "" if parts.group.is_member else "not a member of the group yet"
        group = str(self._refusal.error) if self._refusal else member
        return {
            "database": parts.reader.trouble,
            "broker": parts.group.complaints.text,
            "group": group,
        }

    def start(self) -> None:
        """Ask for a share of the shards."""
        self._parts.group.join()

    def run_once(self) -> None:
        """Serve the group, then one cohort. Waits a little where there was nothing to do."""
        worked = False
        try:
            self._serve_group()
            connected = self._parts.reader.connect()
            if connected is Connected.ANEW:
                self._recheck_all()
                self._parts.dead_letters.drop_all()
                self._parts.sources.refresh(self._parts.reader.connection)
            if connected is not Connected.AWAY:
                self._admit()
                redrove = self._redrive()
                worked = self._serve() or redrove
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._parts.reader.lose(error)
        except HistoryLostError as error:
            self._refuse(error)
        except ServerError as error:
            log.debug("topics_unknown", error=error.message)  # `Topics` has said it aloud.
        self._serving.say_held()
        self._parts.metrics.shards_held.set(self._serving.cohorts.held)
        self._parts.metrics.shards_served.set(len(self._committed))
        grown = max(self._wait * IDLE_POLL_GROWTH, IDLE_POLL_MIN_S)
        self._wait = 0.0 if worked else min(grown, IDLE_POLL_MAX_S)

    def close(self, *, in_order: bool = True) -> None:
        """Resign if all is in order, and leave the group in any case: others wait for shards."""
        with closing(self._parts.group):
            if in_order:
                self._committed.update(resign(self._parts.publisher, self._committed))
        self._parts.lookups.close()
        self._parts.publisher.close()
        self._parts.transactions.close()
        self._parts.reader.close()

    def _serve_group(self) -> None:
        parts = self._parts
        changes = parts.group.poll(self._wait)
        if changes.rebalanced:
            parts.metrics.rebalances.inc()
            parts.metrics.shards_owned.set(len(parts.group.owned))
            self._drop(changes.revoked)
            parts.lookups.hurry()
            parts.lookups.want(changes.assigned)
        if self._refusal is not None and self._refusal.rest.passed:
            self._refusal = replace(self._refusal, rest=Deadline(RECHECK_S))
            parts.lookups.want(range(SHARDS))
        self._known.update(parts.lookups.collect(parts.group.complaints))

    def _drop(self, shards: Iterable[int]) -> None:
        gone = set(shards)
        self._parts.lookups.drop(gone)
        self._parts.dead_letters.drop(gone)
        self._serving.cohorts.drop(gone)
        self._serving.ahead = None
        for shard in gone:
            self._committed.pop(shard, None)
            self._known.pop(shard, None)

    def _recheck_all(self) -> None:
        """A new connection may lead to another server: what is in memory counts no more."""
        self._known = {**self._committed, **self._known}
        self._committed.clear()
        self._serving = Serving()

    def _ask_again(self, reason: str, code: int) -> None:
        """Kafka knows where we stand; we no longer do."""
        log.info("asking_kafka", reason=reason)
        self._parts.topics.note_failure(code, reason)
        self._known.clear()
        self._committed.clear()
        self._serving = Serving()
        self._parts.lookups.want_again(self._parts.group.owned)

    def _go_well(self) -> None:
        """A transaction was committed: what was in its way is over."""
        self._parts.lookups.hurry()
        self._parts.group.complaints.settle("membership", "transaction")

    def _refuse(self, error: HistoryLostError) -> None:
        """Publish nothing, stay alive, look again from time to time, say each hint once."""
        if self._refusal is None or self._refusal.error.hint != error.hint:
            log.error("history_lost", error=error.message, hint=error.hint)
        if self._refusal is None:
            self._parts.group.leave()
        self._refusal = Refusal(error, Deadline(RECHECK_S))
        self._drop(range(SHARDS))
        self._serving = Serving()

    def _admit(self) -> None:
        """Hold known positions against the table, make them ours, and serve their shards."""
        if not self._known or self._limit.waits:
            return
        if self._refusal is not None:
            self._parts.claims.look(self._parts.reader, self._known)
            self._mended()
            return
        found = self._parts.claims.examine(self._parts.reader, self._known)
        entries = [entry for entry in found if self._limit.has_room_for(entry.stored)]
        claims = {entry.shard: entry.stored for entry in entries if entry.is_claim}
        rows = sorted((row for entry in entries for row in entry.stragglers), key=id_of)
        if claims and not self._claim(rows, claims):
            return
        self._known.update(claims)  # Kafka has them, whatever becomes of the rest.
        owned = {entry.shard: entry.stored for entry in entries}
        if not self._parts.dead_letters.own(self._parts.reader.connection, owned):
            self._ask_again(NOT_OURS, 0)
            return
        for entry in entries:
            del self._known[entry.shard]
            self._committed[entry.shard] = entry.stored
            self._serving.cohorts.add(entry.cohort)

    def _claim(self, rows: list[EventRow], claims: Mapping[int, CommittedPosition]) -> bool:
        """Tell Kafka whose the shards are; late rows of a backlog go out with it."""
        outcome = self._parts.publisher.publish(rows, claims, is_claim=True)
        refused = isinstance(outcome, Rejected | Discarded) and bool(outcome.topics)
        self._parts.claims.may_send_stragglers = not refused
        if isinstance(outcome, Committed):
            self._go_well()
            return True
        self._ask_again(f"claim: {outcome.reason}", 0 if refused else outcome.code)
        return False

    def _mended(self) -> None:
        """Somebody ran `outbox-worker rebase`: back into the group."""
        log.info("history_mended")
        self._refusal = None
        self._known.clear()
        self._parts.group.join()

    def _redrive(self) -> bool:
        """Do what people ask of dead letters; whether something came of it."""
        parts, connection = self._parts, self._parts.reader.connection
        parts.redrive.look(connection, self._serving.cohorts, self._committed)
        outcome = parts.redrive.run_once(connection, self._committed)
        match outcome:
            case None:
                return False
            case Committed():
                self._go_well()
            case Rejected(reason) | Interrupted(reason):
                log.info("transaction_interrupted", reason=reason)
            case Aborted(reason, code) | Discarded(reason, code):
                self._ask_again(f"redrive: {reason}", code)
            case _:
                assert_never(outcome)
        return True

    def _serve(self) -> bool:
        """Read and publish one batch; whether to continue at once."""
        parts = self._parts
        found = self._take()
        if found is None:
            return False
        found = parts.dead_letters.sift(parts.reader.connection, found)
        condemn = parts.dead_letters.condemn
        batch = holds.clear_way(parts.topics, parts.size, self._serving.cohorts, found, condemn)
        if batch is None:
            return True
        if batch.rows or batch.aside:
            return self._publish(batch)
        after = self._serving.after(batch, self._parts.reader.limits.rows)
        self._serving.cohorts.moved(batch.cohort, after)
        self._serving.mark(self._parts.reader.connection)
        self._renew(batch)
        return self._serving.cohorts.behind(time.monotonic())

    def _take(self) -> Batch | None:
        """The batch that was read ahead, unless shards have joined its cohort; else a new one.

        None where no shard is to be served now.
        """
        ahead, self._serving.ahead = self._serving.ahead, None
        if ahead and ahead.cohort in self._serving.cohorts and self._parts.size.admits(ahead.rows):
            return ahead
        cohort = self._serving.cohorts.next(time.monotonic())
        return None if cohort is None else self._parts.reader.read(cohort)

    def _publish(self, batch: Batch) -> bool:
        after = self._serving.after(batch, self._parts.reader.limits.rows)
        ahead = self._serving.cohorts.copy()
        ahead.moved(batch.cohort, after)
        try:
            positions = positions_after(batch, self._committed, self._serving.floor(batch.upper))
            if batch.aside and not self._park(batch, positions):
                return True
            outcome = self._parts.publisher.publish(
                batch.rows, positions, lambda: self._read_ahead(ahead)
            )
        except PositionTooLargeError as error:
            self._limit.note(error)
            # In memory are more transactions than in what is persisted, and the border of a
            # backlog stays as it is: admitted anew, a shard begins with a border of today.
            self._recheck_all()
            return False
        match outcome:
            case Committed():
                self._committed.update(positions)
                self._serving.cohorts = ahead
                self._go_well()
                self._parts.dead_letters.passed(batch)
                self._serving.saw(batch.every[-1][ID])
                if batch.cohort.holds:
                    log.info("shard_released", shards=sorted(batch.cohort.stands))
            case Rejected(reason, code, topics) if self._parts.topics.blame(code, topics):
                self._serving.ahead = None
                condemn = self._parts.dead_letters.condemn
                holds.isolate(self._serving.cohorts, batch, outcome, condemn)
            case Interrupted(reason):
                log.info("transaction_interrupted", reason=reason)
                self._serving.ahead = None
                return False
            case Aborted(reason, code) | Rejected(reason, code):
                self._ask_again(reason, code)
            case Discarded(reason, code, topics):
                self._ask_again(reason, 0 if self._parts.topics.blame(code, topics) else code)
            case _:
                assert_never(outcome)
        return True

    def _park(self, batch: Batch, positions: dict[int, CommittedPosition]) -> bool:
        """Write the batch's dead letters down first, for `positions` to rest on them."""
        parts = self._parts
        if parts.dead_letters.park(parts.reader.connection, batch, positions):
            return True
        self._ask_again(NOT_OURS, 0)
        return False

    def _renew(self, batch: Batch) -> None:
        """Give shards that have no events a position of today, from time to time."""
        connection, floor = self._parts.reader.connection, self._serving.floor(batch.upper)
        positions = self._renewal.positions(connection, batch, self._committed, floor)
        if not positions:
            return
        outcome = self._parts.publisher.publish((), positions)
        if isinstance(outcome, Committed):
            self._committed.update(positions)
            self._go_well()
        else:
            self._ask_again(f"renewal: {outcome.reason}", outcome.code)

    def _read_ahead(self, cohorts: Cohorts) -> None:
        """Read the next batch while Kafka commits the one before it."""
        cohort = cohorts.next(time.monotonic())
        if cohort is None:
            return
        try:
            self._serving.ahead = self._parts.reader.read(cohort)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # The commit continues: its outcome counts, whatever became of the read.
            self._parts.reader.lose(error)
