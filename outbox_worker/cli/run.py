"""`outbox-worker run`."""

from __future__ import annotations

import click

from outbox_worker import logs, settings
from outbox_worker.cli.options import settings_help


@click.command("run", epilog=settings_help())
@click.option(
    "--role",
    type=click.Choice(["relay", "commands", "all"]),
    default="all",
    show_default=True,
    help="what this process does: publish events, execute commands, or both",
)
def command(role: settings.Role) -> None:
    """Publish committed events to Kafka, exactly once and in order, until SIGTERM or SIGINT.

    Start as many as you like: they share the shards. A second signal leaves at once.
    """
    from outbox_worker.wiring import build_daemon  # noqa: PLC0415  --help needs none of it

    found = settings.load()
    logs.set_up(found.log_level)
    build_daemon(found, role).run()
