"""`outbox-worker run`."""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from outbox_worker import logs, settings
from outbox_worker.application.loading import load
from outbox_worker.cli.collector import without_collector
from outbox_worker.cli.options import RunCommand, warn_of_mistyped

if TYPE_CHECKING:
    from types import FrameType

    from outbox_worker.daemon import Daemon


M_MXFAST: Final = 1
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of mallopt(3)."""

SEPARATE: Final = 4 * 1024 * 1024
"""From so many bytes on an allocation goes back to the system as soon as it is freed. By itself
glibc raises this up to 32 MiB, to the largest that was freed before."""

KEPT: Final = 16 * 1024 * 1024
"""So many free bytes may stay at the end of an arena, of which a thread has one. By itself glibc
raises this up to 64 MiB, and `malloc_trim` does not release them."""

ARENAS: Final = 1
"""The thread that reads and produces allocates, and those of librdkafka free, mostly in its arena:
others would hold free memory of their own, and save no waiting."""

FAST: Final = 0
"""Largest allocation whose free chunk is not merged with its neighbours at once. A record has one
of some 60 bytes for each header, and to merge them later, by ten thousands, costs more."""


def bound_what_malloc_keeps() -> None:
    """Have the C library give the memory of large events back, where it is glibc.

    Call it while there is one thread: each other gets an arena of its own.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, SEPARATE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MXFAST, FAST)


@click.command("run", cls=RunCommand)
@click.option(
    "--role",
    type=click.Choice(["relay", "commands", "all"]),
    default="all",
    show_default=True,
    help="what this process does: publish events, execute commands, or both",
)
def command(role: settings.Role) -> None:
    """Execute commands, and publish committed events to Kafka, until SIGTERM or SIGINT.

    Each command is executed once, in order within its key; each event is published once,
    in order within its key. Start as many as you like: they share commands and shards.
    `--role commands` needs no Kafka. A second signal leaves at once.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with without_collector():
        daemon = _build(role)
    daemon.run()


def _build(role: settings.Role) -> Daemon:
    from outbox_worker.wiring import build_daemon  # noqa: PLC0415  --help needs none of it

    found = settings.load()
    bound_what_malloc_keeps()
    logs.set_up(found.log_level, values=found.log_values == "on")
    if role != "relay" and (own := load(found.application).settings) is not None:
        warn_of_mistyped(own)
    return build_daemon(found, role)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """A signal before there is a daemon to stop: nothing has begun."""
    sys.exit(0)
