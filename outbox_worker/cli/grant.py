"""`outbox-worker grant`."""

from __future__ import annotations

from typing import Final

import click

from outbox_worker import settings
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.cli.patterns import patterns_of, warn_of_refused, with_patterns
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import rights

NAME: Final = "outbox-worker grant"

EXAMPLES: Final = """\b
Examples:
  outbox-worker grant orders --topic 'orders.*' --topic invoices
  outbox-worker grant billing --command 'Refund*' --actor 'clerk-*'
  outbox-worker grant shop_logins --database
"""


@click.command("grant", epilog=f"{EXAMPLES}\n{settings_help(DATABASE)}")
@with_patterns
def command(
    role: str,
    topics: tuple[str, ...],
    types: tuple[str, ...],
    actors: tuple[str, ...],
    *,
    database: bool,
) -> None:
    """Let ROLE, and its members, write to topics, submit commands or use this database.

    In a pattern * stands for any characters; quote it. Until the first --topic is granted every
    writer may write to every topic, afterwards only those whose topics were granted; the
    same holds for --command. Workers, the owner and superusers need no right for these two.

    Roles belong to the whole server: until the first --database is granted every login of it with a
    role of the outbox may use this one, afterwards only the roles that were granted, workers too.

    To give several roles their first rights at once, use SQL (docs/operations.md). Run it as the
    owner of the schema, or as a member of outbox_operator.
    """
    patterns = patterns_of(topics, types, actors, database=database)
    with connections.connect(settings.load().need_database(), application=NAME) as connection:
        new = rights.grant(connection, role, patterns)
        click.echo(f"{new} new" if new else "nothing new")
        warn_of_refused(connection, database=database)
