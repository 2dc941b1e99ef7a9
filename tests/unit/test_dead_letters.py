"""What a worker knows and takes over of the ledger of dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import Mock

import pytest

from outbox_worker.errors import HistoryLostError
from outbox_worker.position import validity
from outbox_worker.position.position import Position
from outbox_worker.postgres import switchover
from outbox_worker.published import witnesses
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay.claim import Claims
from outbox_worker.relay.dead_letters import DeadLetters
from outbox_worker.relay.park_policy import ParkPolicy
from outbox_worker.stores import dead_letter, mirror
from outbox_worker.stores.dead_letter import LedgerShard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from outbox_worker.stores import Connection

LINK: Final = cast("Connection", None)
SHARDS: Final = range(16)
EPOCHS: Final = {shard: LedgerShard(7, 3) for shard in SHARDS}


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shards whose epochs are raised, of a ledger with three writes each."""
    found: list[int] = []

    def raise_epochs(_: object, shards: Iterable[int]) -> dict[int, LedgerShard]:
        found.extend(sorted(shards))
        return {shard: LedgerShard(8, 3) for shard in found}

    empty: dict[str, Callable[..., Collection[Any]]] = {
        "list_unpassed": lambda *_: [],
        "list_sequences": lambda *_: [],
        "list_redriving": lambda *_: set(),
    }
    for name, statement in empty.items():
        monkeypatch.setattr(dead_letter, name, statement)
    monkeypatch.setattr(dead_letter, "list_shards", lambda *_: EPOCHS)
    monkeypatch.setattr(dead_letter, "raise_epochs", raise_epochs)
    return found


def resting_on(ledger: int) -> dict[int, CommittedPosition]:
    """Positions of all shards; that of the last rests on so many writes."""
    known = {shard: CommittedPosition(1, Position(b"home", "")) for shard in SHARDS}
    return {**known, 15: CommittedPosition(1, Position(b"home", "", ledger=ledger))}


def letters() -> DeadLetters:
    """Of a worker that owns nothing yet."""
    return DeadLetters(ParkPolicy("park"), lambda: "worker")


def test_the_ledger_of_no_shard_is_taken_over_where_one_has_lost_rows(raised: list[int]) -> None:
    with pytest.raises(HistoryLostError, match="Shard 15: the ledger of dead letters has 3"):
        letters().enter(LINK, resting_on(4))
    assert raised == []


def test_a_whole_ledger_is_taken_over_where_it_is_not_ours(raised: list[int]) -> None:
    assert letters().enter(LINK, resting_on(3)) == frozenset(SHARDS)
    assert raised == list(SHARDS)


@pytest.mark.parametrize("ledger", [3, 4])
def test_a_worker_that_refuses_looks_whether_it_was_mended_and_takes_nothing_over(
    raised: list[int], monkeypatch: pytest.MonkeyPatch, ledger: int
) -> None:
    monkeypatch.setattr(mirror, "list_positions", lambda _: [])
    monkeypatch.setattr(witnesses, "table_for", lambda *_: None)
    monkeypatch.setattr(validity, "why_invalid", lambda *_: "")
    monkeypatch.setattr(switchover, "see_that_events_are_ours", lambda _: None)
    monkeypatch.setattr(switchover, "see_that_numbers_go_on", lambda _: None)
    claims = Claims("group", lambda: "worker", Mock(), Mock(), letters())
    if ledger == 3:
        claims.look(Mock(), resting_on(ledger))
    else:
        with pytest.raises(HistoryLostError):
            claims.look(Mock(), resting_on(ledger))
    assert raised == []
