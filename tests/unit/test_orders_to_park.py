"""What a worker does about a request to park, as soon as it reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast
from unittest.mock import Mock

from outbox_worker.position.position import Position
from outbox_worker.position.snapshot import Snapshot
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import redrive
from outbox_worker.relay.cohorts import Cohort, Cohorts, Stand
from outbox_worker.relay.redrive import Redrive
from outbox_worker.stores import dead_letter
from outbox_worker.stores.dead_letter import Order

if TYPE_CHECKING:
    import pytest

    from outbox_worker.stores import Connection

LINK: Final = cast("Connection", None)
COMMITTED: Final = {1: CommittedPosition(1, Position(b"home", ""))}


def of_a_topic(number: int) -> Order:
    """A request to park a whole topic."""
    return Order(number, 5, "park", None, "t", None, None, None, None, None, None, "me", False)


def held() -> Cohort:
    stand = Stand(Snapshot(5, 5), 0, 0)
    return Cohort({1: stand}, held_until=100.0, holds=3)


def test_a_held_shard_looks_again_once_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "LOOK_S", 0.0)
    asked: list[Order] = []
    monkeypatch.setattr(dead_letter, "list_orders", lambda *_: asked)
    letters = Mock(orders=[])
    looking = Redrive(letters, Mock(), Mock(), Mock())
    cohorts = Cohorts([held()])

    def is_due() -> bool:
        """Whether the shard is served now; then it is held again."""
        looking.look(LINK, cohorts, COMMITTED)
        found = cohorts.next(0.0)
        if found is not None:
            assert found.holds == 3, "the next pause is as long as it would have been"
            cohorts.moved(found, held())
        return found is not None

    assert not is_due()
    asked.append(of_a_topic(7))
    assert [is_due() for _ in range(3)] == [True, False, False]
    asked.append(of_a_topic(8))
    assert [is_due() for _ in range(2)] == [True, False]
    asked.clear()
    assert not is_due()
