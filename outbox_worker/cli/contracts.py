"""`outbox-worker contracts`."""

from __future__ import annotations

from pathlib import Path

import click

from outbox_worker import settings
from outbox_worker.application.loading import load
from outbox_worker.cli.options import settings_help


@click.command("contracts", epilog=settings_help(("application",)))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Write what subscribers may rely on: a JSON Schema for each event, and AsyncAPI.

    Of the application that OUTBOX_APPLICATION names, into FOLDER, for its repository and theirs.
    Exit code 1, and nothing is written, where what is in FOLDER promises readers more than the
    events of now: within a version an event only widens.
    """
    from outbox_worker.contracts.export import export  # noqa: PLC0415  --help needs none of it

    for path in export(load(settings.load().application), folder):
        click.echo(f"wrote {path}")
