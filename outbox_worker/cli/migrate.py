"""`outbox-worker migrate`."""

from __future__ import annotations

import click

from outbox_worker import database, migrations, settings
from outbox_worker.cli.options import settings_help
from outbox_worker.maintenance import partitions


@click.command("migrate", epilog=settings_help())
def command() -> None:
    """Make or update the schema in the database, and the partitions of the next days.

    Run it before the first worker starts and with every new release; twenty at
    once are harmless.
    """
    url = settings.load().need_database()
    with database.connect(url, application="outbox-worker migrate") as connection:
        done = migrations.apply(connection)
        made = partitions.run_once(connection)
    for name in done:
        click.echo(f"applied {name}")
    click.echo(f"schema is up to date; {len(made.made)} partitions made")
