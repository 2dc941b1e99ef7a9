"""`outbox-worker revoke`."""

from __future__ import annotations

from typing import Final

import click

from outbox_worker import settings
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.cli.patterns import patterns_of, warn_of_refused, with_patterns
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import rights

NAME: Final = "outbox-worker revoke"


@click.command("revoke", epilog=settings_help(DATABASE))
@with_patterns
def command(
    role: str,
    topics: tuple[str, ...],
    types: tuple[str, ...],
    actors: tuple[str, ...],
    *,
    database: bool,
) -> None:
    """Take back from ROLE what `grant` gave, by the same patterns.

    Where it does not have one of them nothing is changed (exit code 1). With the last right of all
    roles every writer may write everything again, and every login with a role of the outbox may use
    the database. Run it as the owner of the schema,
    or as a member of outbox_operator.
    """
    patterns = patterns_of(topics, types, actors, database=database)
    with connections.connect(settings.load().need_database(), application=NAME) as connection:
        click.echo(f"{rights.revoke(connection, role, patterns)} taken back")
        warn_of_refused(connection, database=database)
