"""Play many histories: `python -m tests.model --histories 100000 --seed 1`.

Prints what went wrong with its seed, and a summary; exit code 1 where anything did.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import time
from typing import NamedTuple

import structlog

from tests.model.history import play
from tests.model.statements import simulated


class Tally(NamedTuple):
    """Sums over some histories."""

    histories: int
    published: int
    refused: int
    faults: list[tuple[int, str]]


def play_some(order: tuple[int, int, bool]) -> Tally:
    """Histories from a first seed on."""
    first, count, lossy = order
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    published = refused = 0
    faults = []
    with simulated():
        for seed in range(first, first + count):
            verdict = play(seed, lossy=lossy)
            published += verdict.published
            refused += verdict.refused
            if verdict.fault:
                faults.append((seed, verdict.fault))
    return Tally(count, published, refused, faults)


def play_many(histories: int, seed: int, *, lossy: bool) -> Tally:
    """Histories on all processors."""
    share = 250
    orders = [(at, min(share, seed + histories - at), lossy) for at in
              range(seed, seed + histories, share)]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        tallies = pool.map(play_some, orders, chunksize=1)
    return Tally(
        sum(each.histories for each in tallies),
        sum(each.published for each in tallies),
        sum(each.refused for each in tallies),
        [fault for each in tallies for fault in each.faults],
    )


def main() -> int:
    """Read the arguments, play, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--histories", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    failed = False
    for lossy in (False, True):
        tally = play_many(arguments.histories // 2, arguments.seed, lossy=lossy)
        kind = "with fail-overs that lose" if lossy else "with crashes only"
        sys.stdout.write(
            f"{tally.histories} histories {kind}, seed {arguments.seed}: "
            f"{tally.published} events read, {tally.refused} refused, "
            f"{len(tally.faults)} faults\n"
        )
        for seed, fault in tally.faults[:20]:
            sys.stdout.write(f"  seed {seed}: {fault}\n")
        failed = failed or bool(tally.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
