"""When a worker says that it is not ready because of shards, and when it resigns."""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast
from unittest.mock import Mock

import pytest

from outbox_worker.errors import StuckError
from outbox_worker.observe.health import Health
from outbox_worker.position.position import Position
from outbox_worker.published.committed import CommittedPosition
from outbox_worker.relay import loop as product
from outbox_worker.relay.loop import RelayLoop
from outbox_worker.relay.relay import Relay


class Waiting:
    """A relay that has two shards and knows the position of neither."""

    def __init__(self) -> None:
        self.unserved = frozenset({3, 5})
        self.group = ""
        self.fault: Exception | None = None
        self.resigns: bool | None = None

    def start(self) -> None:
        pass

    def run_once(self) -> None:
        if self.fault is not None:
            raise self.fault

    def close(self, *, in_order: bool) -> None:
        self.resigns = in_order

    def troubles(self) -> dict[str, str]:
        return {"database": "", "broker": "", "group": self.group}


def test_shards_that_wait_long_for_their_positions_are_no_readiness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay, health = Waiting(), Health()
    loop = RelayLoop(cast("Relay", relay), health)
    loop.step()
    assert health.unready() == {}
    monkeypatch.setattr(product, "SERVED_WITHIN_S", 0.0)
    loop.step()
    assert health.unready() == {"group": "no position yet of shards [3, 5]"}
    relay.group = "history lost"
    loop.step()
    assert health.unready() == {"group": "history lost"}
    relay.group, relay.unserved = "", frozenset()
    loop.step()
    assert health.unready() == {}


@pytest.mark.parametrize("fault", [None, StuckError("calls hang", "start again")])
def test_a_worker_of_which_a_step_failed_does_not_resign(fault: Exception | None) -> None:
    relay = Waiting()
    loop = RelayLoop(cast("Relay", relay), Health())
    loop.step()
    relay.fault = fault
    with nullcontext() if fault is None else pytest.raises(type(fault)):
        loop.step()
    loop.close()
    assert relay.resigns is (fault is None)


def test_the_group_is_left_also_where_the_resignation_hangs() -> None:
    parts = Mock()
    parts.publisher.publish.side_effect = StuckError("calls hang", "start again")
    relay = Relay(parts)
    relay._committed[3] = CommittedPosition(1, Position(b"home", "worker"))
    with pytest.raises(StuckError):
        relay.close()
    parts.group.close.assert_called_once_with()
