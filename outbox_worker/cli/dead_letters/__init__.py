"""`outbox-worker dead-letters`."""

from __future__ import annotations

import click

from outbox_worker.cli.dead_letters.deciding import discard, park, redrive
from outbox_worker.cli.dead_letters.listing import list_, show
from outbox_worker.cli.options import DATABASE, settings_help


@click.group("dead-letters", epilog=settings_help((*DATABASE, "log_values")))
def command() -> None:
    """Show events that left the way of the others, and decide about them.

    A dead letter is an event that Kafka can never take, or that somebody parked, and every later
    event of its topic and key, so that their order holds. All other events flow. It stays
    parked until somebody redrives it (publishes it, with those before it of its key, in
    order) or discards it. park, redrive and discard print what they would do, and do it with
    --execute.
    """


for each in (list_, show, park, redrive, discard):
    command.add_command(each)
