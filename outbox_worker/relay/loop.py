"""The relay as a loop of the daemon: one step, then what it says of our health."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outbox_worker.observe.health import Health
    from outbox_worker.relay.relay import Relay


class RelayLoop:
    """Calls the relay and keeps `/readyz` true to it."""

    def __init__(self, relay: Relay, health: Health) -> None:
        """Join the group with the first step."""
        self._relay = relay
        self._health = health
        self._joined = False
        for part in ("database", "broker", "group"):
            health.lacks(part, "not reached yet")

    def step(self) -> float:
        """One step of the relay, which waits by itself where there is nothing to do."""
        if not self._joined:
            self._joined = True
            self._relay.start()
        self._relay.run_once()
        for part, trouble in self._relay.troubles().items():
            if trouble:
                self._health.lacks(part, trouble)
            else:
                self._health.has(part)
        return 0.0
