"""`python -m tests.soak.dead_letters --rounds N [--seed S]`: deaths over dead letters.

Each round has a database and topics of its own: a worker dies or freezes at a step of parking or of
a redrive that is drawn, another takes over, and then table and records are compared.
"""

from __future__ import annotations

import random
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click

from outbox_worker.local.broker import open_broker
from outbox_worker.local.postgres import PostgresServer
from tests.harness.cluster import Cluster
from tests.harness.databases import make_database
from tests.harness.letter_kills import POINTS
from tests.harness.letter_rounds import play


@click.command()
@click.option("--rounds", type=int, default=200, show_default=True)
@click.option("--seed", type=int, help="repeat what an earlier run drew")
def main(rounds: int, seed: int | None) -> None:
    """Look for a death by which an event is lost, read twice, or out of order."""
    seed = secrets.randbits(32) if seed is None else seed
    click.echo(f"seed {seed}")
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="outbox-letters-"))
    with PostgresServer() as postgres, open_broker() as bootstrap:
        for number in range(1, rounds + 1):
            point, death = rng.choice(POINTS), rng.choice(("KILL", "STOP"))
            click.echo(f"round {number}: {death} at {point} ... ", nl=False)
            url = postgres.url(make_database(postgres))
            try:
                with Cluster(url, bootstrap, folder) as cluster:
                    play(cluster, point, death, random.Random(rng.random()))
            except AssertionError as error:
                click.echo(f"\nseed {seed}, round {number}: {error}\nlogs: {folder}", err=True)
                sys.exit(1)
            click.echo("all kept")
    shutil.rmtree(folder)
    click.echo(f"{rounds} rounds, lost 0, duplicated 0, out of order 0")


if __name__ == "__main__":
    main()
