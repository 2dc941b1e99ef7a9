"""`outbox-worker run`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import click

from outbox_worker import logs, settings
from outbox_worker.application.loading import load
from outbox_worker.cli.options import RunCommand, warn_of_mistyped

if TYPE_CHECKING:
    from types import FrameType


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
    from outbox_worker.wiring import build_daemon  # noqa: PLC0415  --help needs none of it

    found = settings.load()
    logs.set_up(found.log_level, values=found.log_values == "on")
    if role != "relay" and (own := load(found.application).settings) is not None:
        warn_of_mistyped(own)
    build_daemon(found, role).run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    """A signal before there is a daemon to stop: nothing has begun."""
    sys.exit(0)
