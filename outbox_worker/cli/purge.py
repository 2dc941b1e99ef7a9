"""`outbox-worker purge`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.table import Table

from outbox_worker import database, migrations, settings
from outbox_worker.cli.options import settings_help
from outbox_worker.maintenance import purge

if TYPE_CHECKING:
    from outbox_worker.maintenance.purge import Purged

LOCK_OPTIONS: Final = "-c lock_timeout=200ms -c jit=off"
"""A drop asks for its lock briefly: whoever writes meanwhile queues behind it."""


@click.command("purge", epilog=settings_help())
@click.option(
    "--older-than-days",
    type=click.IntRange(min=1),
    required=True,
    help="remove published events of whole UTC days older than this",
)
@click.option(
    "--idempotency-days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="forget idempotency keys older than this",
)
@click.option("--dry-run", is_flag=True, help="print the same table, change nothing")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def command(older_than_days: int, idempotency_days: int, *, dry_run: bool, as_json: bool) -> None:
    """Remove what is published and old; an event that is not published always stays.

    Safe beside running workers, and to be interrupted: run it again.
    """
    url = settings.load().need_database()
    order = purge.Order.of_days(older_than_days, idempotency_days)
    errors = Console(stderr=True)
    with (
        database.connect(url, application="outbox-worker purge", options=LOCK_OPTIONS) as link,
        errors.status("purge") as status,
    ):
        migrations.check(link)
        purged = purge.run_once(link, order, status.update, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(_as_json(purged, dry_run=dry_run)))
    else:
        Console().print(_as_table(purged, dry_run=dry_run))


def _as_json(purged: Purged, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "days": {str(day): events for day, events in purged.days.items()},
        "kept_unpublished": {str(day): events for day, events in purged.kept.items()},
        "default_partition_events": purged.default_events,
        "idempotency_keys": purged.keys,
    }


def _as_table(purged: Purged, *, dry_run: bool) -> Table:
    table = Table(title="purge, dry run: nothing is changed" if dry_run else "purge")
    table.add_column("what")
    table.add_column("removed", justify="right")
    table.add_column("kept: not all published", justify="right")
    for day, events in sorted({**purged.days, **purged.kept}.items()):
        gone = day in purged.days
        table.add_row(
            f"events of {day} (about)", str(events if gone else 0), str(0 if gone else events)
        )
    table.add_row("events of the default partition", str(purged.default_events), "")
    table.add_row("idempotency keys", str(purged.keys), "")
    return table
