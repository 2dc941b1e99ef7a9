"""Ports and addresses of local servers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from outbox_worker.timing.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def wait_until_ready(is_ready: Callable[[], bool], seconds: float) -> bool:
    """Ask every 20 ms whether a server is ready; False where it was not in time."""
    deadline = Deadline(seconds)
    while not is_ready():
        if not deadline.pause(0.02):
            return False
    return True
