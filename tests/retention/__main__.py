"""`python -m tests.retention [--batches N] [--slots N] [--rate N]`: a large purge under load.

Prints how long the purge of old batches took, the slowest command before and meanwhile,
who waited for a lock, and the most memory that the purge held.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from outbox_worker.local.postgres import PostgresServer
from outbox_worker.postgres import database
from tests.harness.databases import make_database
from tests.retention.concurrent_purge import purge_beside_commands
from tests.retention.load import Load

LOCK_WAIT: Final = "200ms"
SETTINGS: Final = {"log_lock_waits": "on", "deadlock_timeout": LOCK_WAIT}


@click.command()
@click.option("--batches", default=100_000, show_default=True)
@click.option("--slots", default=20, show_default=True)
@click.option("--rate", default=50.0, show_default=True, help="commands a second")
@click.option("--before", default=20.0, show_default=True, help="seconds without a purge")
def main(batches: int, slots: int, rate: float, before: float) -> None:
    """Load a server of its own, and purge it beside a worker."""
    load = Load(batches, slots, early=batches // 10, commands=batches)
    with PostgresServer(settings=SETTINGS) as server, tempfile.TemporaryDirectory() as folder:
        url = server.url(make_database(server))
        began = time.monotonic()
        with database.connect(url, application="load") as link:
            load.write(link)
            link.execute("ANALYZE")
            link.execute("CHECKPOINT")
        click.echo(f"loaded {load} in {time.monotonic() - began:.0f} s")
        found = purge_beside_commands(url, batches, Path(folder), rate, before)
        for name, value in asdict(found).items():
            click.echo(f"{name}: {value}")
        waits = [line for line in server.log_text().splitlines() if "still waiting" in line]
        click.echo("\n".join([f"waits for a lock above {LOCK_WAIT}: {len(waits)}", *waits]))


if __name__ == "__main__":
    main()
