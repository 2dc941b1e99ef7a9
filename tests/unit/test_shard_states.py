"""One word for each shard, where several are true."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from outbox_worker.errors import HistoryLostError
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.relay.cohorts import Cohort, Cohorts, HeldEvent, Stand
from outbox_worker.relay.states import of_shards
from outbox_worker.stores.shard_state import State

if TYPE_CHECKING:
    from outbox_worker.relay.kafka_status import Subject

BORDER: Final = Snapshot.parse("10:10:")
TAIL: Final = Cohort({0: Stand(BORDER, 0, 0)})
BACKLOG: Final = Cohort({1: Stand(BORDER, 0, 0)}, BORDER)
HELD: Final = replace(
    Cohort({2: Stand(BORDER, 0, 0)}),
    hold=HeldEvent(7, "00000000-0000-0000-0000-000000000007", "orders", "is missing", "create it"),
)
COHORTS: Final = Cohorts((TAIL, BACKLOG, HELD))
OWNED: Final = frozenset({0, 1, 2, 3})
SERVED: Final = frozenset({0, 1, 2})


def words(*broken: Subject) -> list[State]:
    named: dict[Subject, str] = dict.fromkeys(broken, "_TIMED_OUT")
    found = of_shards(OWNED, SERVED, COHORTS, named, None)
    return [found[shard].state for shard in sorted(OWNED)]


def test_each_shard_of_a_worker_has_a_state_of_its_own() -> None:
    expected = [State.UP_TO_DATE, State.CATCHING_UP, State.HELD, State.NO_POSITION]
    assert words() == expected
    found = of_shards(OWNED, SERVED, COHORTS, {"positions": "NOT_STABLE"}, None)
    assert found[3].reason == "NOT_STABLE"
    assert found[2][1:] == (
        "is missing",
        "create it",
        7,
        HELD.hold and HELD.hold.event_id,
        "orders",
    )


def test_where_kafka_is_away_nothing_else_is_to_be_mended_first() -> None:
    assert words("broker") == [State.KAFKA_AWAY] * 4
    assert words("transaction") == [State.KAFKA_AWAY] * 4
    # That topics cannot be asked for says nothing of an event that is held already.
    assert words("topics")[2:] == [State.HELD, State.NO_POSITION]


def test_a_worker_without_shards_speaks_of_all_only_where_it_may_not_or_cannot() -> None:
    assert of_shards((), (), Cohorts(), {}, None) == {}
    away = of_shards((), (), Cohorts(), {"broker": "_ALL_BROKERS_DOWN"}, None)
    assert {each.state for each in away.values()} == {State.KAFKA_AWAY}
    refusal = HistoryLostError("Shard 0: gone", "outbox-worker rebase")
    refused = of_shards((), (), Cohorts(), {"broker": "_TRANSPORT"}, refusal)
    assert {each[:3] for each in refused.values()} == {
        (State.REFUSING, "Shard 0: gone", "outbox-worker rebase")
    }
    assert len(away) == len(refused) == 16
