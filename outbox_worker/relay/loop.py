"""The relay as a loop of the daemon: one step, then what it says of our health."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outbox_worker.observe.health import Health
    from outbox_worker.relay.relay import Relay

SERVED_WITHIN_S: Final = 30.0
"""For so long a shard may be ours and not be served before we say that we are not ready: to end
what a dead worker left open takes Kafka 20 s."""


class RelayLoop:
    """Calls the relay and keeps `/readyz` true to it."""

    def __init__(self, relay: Relay, health: Health) -> None:
        """Join the group with the first step."""
        self._relay = relay
        self._health = health
        self._joined = False
        self._in_order = True
        self._served_at = time.monotonic()
        for part in ("database", "broker", "group"):
            health.set_unready(part, "not reached yet")

    def step(self) -> float:
        """One step of the relay, which waits by itself where there is nothing to do."""
        if not self._joined:
            self._joined = True
            self._relay.start()
        self._in_order = False
        self._relay.run_once()
        self._in_order = True
        for part, trouble in self._troubles().items():
            if trouble:
                self._health.set_unready(part, trouble)
            else:
                self._health.set_ready(part)
        return 0.0

    def close(self) -> None:
        """Leave the group. Of a step that failed, something may still be open in Kafka."""
        self._relay.close(in_order=self._in_order)

    def _troubles(self) -> dict[str, str]:
        """By part what is wrong, shards among it that have waited long for their positions."""
        troubles = self._relay.troubles()
        now, unserved = time.monotonic(), self._relay.unserved
        if not unserved:
            self._served_at = now
        elif now - self._served_at > SERVED_WITHIN_S and not troubles["group"]:
            troubles["group"] = f"no position yet of shards {sorted(unserved)}"
        return troubles
