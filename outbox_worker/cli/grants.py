"""`outbox-worker grants`."""

from __future__ import annotations

import json
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outbox_worker import settings
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.cli.patterns import warn_of_refused
from outbox_worker.logs.safe_text import printable
from outbox_worker.postgres import access, database, migrations
from outbox_worker.stores import right

NAME: Final = "outbox-worker grants"


@click.command("grants", epilog=settings_help(DATABASE))
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(*, as_json: bool) -> None:
    """Show which role may write to which topics, submit which commands, and use the database.

    While no right of a kind (topic, command, database) is given, everybody may. Standard
    error names the logins with a role of the outbox that may do nothing of a kind.
    """
    with database.connect(settings.load().need_database(), application=NAME) as connection:
        access.need(connection)
        migrations.check(connection)
        found = right.list_rights(connection)
        if as_json:
            click.echo(json.dumps([each._asdict() for each in found]))
        else:
            table = Table("role", "kind", "pattern", "actor")
            for each in found:
                shown = (each.role, each.kind, each.pattern, each.actor or "")
                table.add_row(*(Text(printable(cell)) for cell in shown))
            Console().print(table)
        warn_of_refused(connection)
