"""When a worker says that it is not ready because of shards that it does not serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from outbox_worker.observe.health import Health
from outbox_worker.relay import loop as product
from outbox_worker.relay.loop import RelayLoop

if TYPE_CHECKING:
    import pytest

    from outbox_worker.relay.relay import Relay


class Waiting:
    """A relay that has two shards and knows the position of neither."""

    def __init__(self) -> None:
        self.unserved = frozenset({3, 5})
        self.group = ""

    def start(self) -> None:
        pass

    def run_once(self) -> None:
        pass

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
