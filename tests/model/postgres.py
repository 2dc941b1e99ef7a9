"""A Postgres small enough to be random: what it promises, and no more.

It keeps a write-ahead log. A crash or a fail-over may lose its end:
then xids and ids are given out a second time. Ids are logged 32 ahead, as
nextval does; xids are known to have been used only by what was logged of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from outbox_worker.position.codec import decode
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.stores.server import Identity
from tests.model.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIRST_XID = 3
SEQUENCE_AHEAD = 32

NOTHING = (None, None, "", None, None)
"""Type, content type, time, headers and payload: nothing here depends on them."""

Row = tuple[Any, ...]


@dataclass
class Transaction:
    """One that is in progress: its xid once it has one, and the keys that it has locked."""

    xid: int | None = None
    keys: set[int] = field(default_factory=set)
    rows: int = 0


class Postgres:
    """Transactions, rows, snapshots, and a log that may lose its end."""

    def __init__(self, shards: int, ahead: int = SEQUENCE_AHEAD) -> None:
        """Begin empty; a key's shard is its remainder. Ids are logged `ahead`."""
        self.shards = shards
        self.ahead = ahead
        self.rows: dict[int, Row] = {}
        self.written: dict[str, Row] = {}
        self.committed: set[int] = set()
        self.active: list[Transaction] = []
        self.purged = (0, 0)
        self.mirror: dict[int, tuple[int, str]] = {}
        self.failovers = 0
        self.ledger = Ledger()
        self.poison: set[str] = set()
        """Event ids of what Kafka refuses until it is mended."""
        self.pause: Callable[[], None] = _continue
        """What happens at a statement over the ledger before its worker comes to the next."""
        self._next_xid = FIRST_XID
        self._last_completed = FIRST_XID - 1
        self._next_id = 1
        self._logged_id = 0
        self._wal: list[tuple[str, Any]] = []
        self._events = 0

    # What writers do.

    def begin(self) -> Transaction:
        """A transaction without a xid."""
        transaction = Transaction()
        self.active.append(transaction)
        return transaction

    def take_xid(self, transaction: Transaction) -> int:
        """Its xid, given out now where it has none. It is in no log yet."""
        if transaction.xid is None:
            transaction.xid = self._next_xid
            self._next_xid += 1
        return transaction.xid

    def insert(self, transaction: Transaction, key: int) -> bool:
        """One event of a key whose row is locked first; False where another holds the lock."""
        if any(key in other.keys for other in self.active if other is not transaction):
            return False
        transaction.keys.add(key)
        xid = self.take_xid(transaction)
        row_id = self._draw_id()
        self._events += 1
        event_id = f"{self._events:012x}"
        row = (row_id, xid, key % self.shards, event_id, "t", str(key), *NOTHING, 1, "w")
        self.rows[row_id] = self.written[event_id] = row
        self._wal.append(("insert", row))
        transaction.rows += 1
        return True

    def _draw_id(self) -> int:
        if self._next_id > self._logged_id:
            self._logged_id = self._next_id + self.ahead
            self._wal.append(("sequence", self._logged_id))
        self._next_id += 1
        return self._next_id - 1

    def end(self, transaction: Transaction, *, commit: bool) -> None:
        """Commit or roll back."""
        self.active.remove(transaction)
        if transaction.xid is None:
            return
        self._last_completed = max(self._last_completed, transaction.xid)
        self._wal.append(("commit" if commit else "abort", transaction.xid))
        if commit:
            self.committed.add(transaction.xid)

    def draw_xid(self) -> int:
        """A transaction that only takes its xid and ends."""
        transaction = self.begin()
        xid = self.take_xid(transaction)
        self.end(transaction, commit=True)
        return xid

    def write_mirror(self, positions: Mapping[int, tuple[int, str]]) -> None:
        """What upkeep writes: positions whose witness stands, and that are newer."""
        for shard, (batch, text) in positions.items():
            position, kept = decode(text), self.mirror.get(shard)
            top, entry = position.top, position.top and self.ledger.entries.get(position.top.id)
            stands = (
                top is None
                or self.rows.get(top.id, (None, None))[1] == top.xid
                or (entry is not None and entry.letter.xid == top.xid)
            ) and self.ledger.shard(shard).number >= position.ledger
            if stands and (kept is None or kept[0] < batch):
                self.mirror = {**self.mirror, shard: (batch, text)}
        self._wal.append(("mirror", self.mirror))

    def write_ledger(self, ledger: Ledger) -> None:
        """The ledger of dead letters as it is from now on."""
        self.ledger = ledger
        self._wal.append(("ledger", ledger))

    # What goes wrong.

    def wal_length(self) -> int:
        """How much was logged."""
        return len(self._wal)

    def fail_over(self, kept: int) -> None:
        """Continue from the first `kept` entries of the log; what was in progress is gone."""
        self._wal = self._wal[:kept]
        self.failovers += 1
        self.active.clear()
        self.rows = {row[0]: row for kind, row in self._wal if kind == "insert"}
        self.committed = {xid for kind, xid in self._wal if kind == "commit"}
        ended = [xid for kind, xid in self._wal if kind in {"commit", "abort"}]
        used = [*ended, *(row[1] for row in self.rows.values()), FIRST_XID - 1]
        self._next_xid = max(used) + 1
        self.mirror = next((each for kind, each in reversed(self._wal) if kind == "mirror"), {})
        ledgers = (each for kind, each in reversed(self._wal) if kind == "ledger")
        self.ledger = next(ledgers, Ledger())
        # All that was in progress counts as ended.
        self._last_completed = max(used)
        self._logged_id = max([0, *(value for kind, value in self._wal if kind == "sequence")])
        self._next_id = self._logged_id + 1
        gone = [row_id for row_id in self.rows if row_id <= self.purged[0]]
        for row_id in gone:
            del self.rows[row_id]

    # What the relay's statements see.

    def snapshot(self) -> Snapshot:
        """As GetSnapshotData makes it: xmax is one above the latest xid that ended."""
        xmax = self._last_completed + 1
        xip = sorted(each.xid for each in self.active if each.xid is not None and each.xid < xmax)
        return Snapshot(xip[0] if xip else xmax, xmax, tuple(xip))

    def visible(self) -> list[Row]:
        """The committed rows in id order."""
        return [row for _, row in sorted(self.rows.items()) if row[1] in self.committed]

    def survivors(self) -> dict[str, Row]:
        """By event id, what is committed today."""
        return {row[3]: row for row in self.visible()}


def _continue() -> None:
    """Nothing happens."""


def identity(postgres: Postgres) -> Identity:
    """What `server/read_identity` answers."""
    return Identity(1, postgres.snapshot(), *postgres.purged)


def draw_xid(postgres: Postgres) -> int:
    """What `server/draw_xid` does."""
    return postgres.draw_xid()
