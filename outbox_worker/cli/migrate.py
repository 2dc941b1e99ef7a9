"""`outbox-worker migrate`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import click

from outbox_worker import settings
from outbox_worker.application.loading import load
from outbox_worker.cli.options import DATABASE, settings_help
from outbox_worker.logs import safe_text
from outbox_worker.maintenance import instance, partitions
from outbox_worker.postgres import database, migrations, switchover

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "outbox-worker migrate"

OPTIONS: Final[Mapping[str, str]] = {
    **instance.OPTIONS,
    "idle_in_transaction_session_timeout": "60s",
}
"""Of a session whose machine or network is gone the server lets the locks go in seconds, of one
that stands still in the middle of a migration within a minute."""

LOCK_OPTIONS: Final[Mapping[str, str]] = {**OPTIONS, "lock_timeout": f"{migrations.LOCK_MS}ms"}


@click.command("migrate", epilog=settings_help((*DATABASE, "application", "log_values")))
def command() -> None:
    """Make or update the engine's tables, the application's, and the partitions of the next days.

    Run it before the first worker starts and with every new release; twenty at
    once are harmless. After a switch-over by logical replication it sets the sequences.
    Where others keep a table locked it lets writers pass, and gives up after a minute; so
    it does where another one migrates for as long.
    """
    found = settings.load()
    safe_text.show_values(shown=found.log_values == "on")
    url = found.need_database()
    wanted = load(found.application).tables
    with database.connect(url, application=NAME, options=OPTIONS) as connection:
        done = migrations.apply(connection, wanted, say=partial(click.echo, err=True))
        set_now = switchover.catch_up(connection)
    for name in done:
        click.echo(f"applied {name}")
    for each in set_now:
        click.echo(switchover.in_words(each))
    with database.connect(url, application=NAME, options=LOCK_OPTIONS) as connection:
        make = partial(partitions.run_once, connection)
        made = migrations.PATIENCE.until_free("The table of events", make)
    click.echo(f"schema is up to date; {len(made.made)} partitions made")
