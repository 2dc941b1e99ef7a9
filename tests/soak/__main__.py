"""`python -m tests.soak --minutes N [--seed S]`: rounds of random faults until the time is over.

Each round draws a workload, a number of workers and some faults, and then compares table
and records of all rounds. All faults have their turn, in random order, before one is
repeated. The seed repeats what is drawn; interleavings are the machine's.
"""

from __future__ import annotations

import random
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.soak.faults import FAULTS
from tests.soak.soak_cluster import SoakCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.soak.faults import Fault


def in_turn(rng: random.Random) -> Iterator[Fault]:
    """All faults in random order, again and again."""
    while True:
        yield from rng.sample(FAULTS, len(FAULTS))


def run_round(soak: SoakCluster, faults: list[Fault]) -> int:
    """One round; returns how many events the table holds after it."""
    soak.start_writing()
    soak.keep_workers(soak.rng.randint(1, 4))
    for fault in faults:
        fault(soak)
        soak.keep_workers(max(1, len(soak.cluster.alive)))
        soak.cluster.await_more(50)
    soak.stop_writing()
    return soak.assert_delivered()


@click.command()
@click.option("--minutes", type=float, default=10.0, show_default=True)
@click.option("--seed", type=int, help="repeat what an earlier run drew")
def main(minutes: float, seed: int | None) -> None:
    """Look for a history in which an event is lost, read twice, or out of order."""
    seed = secrets.randbits(32) if seed is None else seed
    click.echo(f"seed {seed}")
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="outbox-soak-"))
    turns = in_turn(rng)
    until = time.monotonic() + 60 * minutes
    number = 0
    try:
        with SoakCluster(rng, folder) as soak:
            while time.monotonic() < until:
                number += 1
                faults = [next(turns) for _ in range(rng.randint(1, 3))]
                names = ", ".join(fault.__name__.replace("_", " ") for fault in faults)
                click.echo(f"round {number}: {names} ... ", nl=False)
                began = time.monotonic()
                events = run_round(soak, faults)
                click.echo(f"{time.monotonic() - began:.0f} s, {events:,} events, all kept")
    except AssertionError as error:
        click.echo(
            f"\nseed {seed}, round {number}: {error}\nlogs of the workers: {folder}", err=True
        )
        sys.exit(1)
    shutil.rmtree(folder)
    click.echo(f"{number} rounds, lost 0, duplicated 0, out of order 0")


if __name__ == "__main__":
    main()
