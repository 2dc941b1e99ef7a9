"""`python -m tests.retention [--batches N] [--slots N] [--rate N]`: a large purge under load.

Prints how long the purge of old batches took, the slowest command meanwhile, from
submission to result, and the most memory that the purge held.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click

from outbox_worker import database
from outbox_worker.local.postgres import PostgresServer
from tests.harness.databases import make_database
from tests.retention.beside import purge_beside_commands
from tests.retention.load import Load


@click.command()
@click.option("--batches", default=100_000, show_default=True)
@click.option("--slots", default=20, show_default=True)
@click.option("--rate", default=50.0, show_default=True, help="commands a second")
def main(batches: int, slots: int, rate: float) -> None:
    """Load a server of its own, and purge it beside a worker."""
    load = Load(batches, slots, early=batches // 10, commands=batches)
    with PostgresServer() as server, tempfile.TemporaryDirectory() as folder:
        url = server.url(make_database(server))
        began = time.monotonic()
        with database.connect(url, application="load") as link:
            load.write(link)
            link.execute("ANALYZE")
            link.execute("CHECKPOINT")
        click.echo(f"loaded {load} in {time.monotonic() - began:.0f} s")
        for name, value in asdict(purge_beside_commands(url, batches, Path(folder), rate)).items():
            click.echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
