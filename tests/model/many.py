"""Many histories on all processors."""

from __future__ import annotations

import logging
import multiprocessing
import os
from typing import NamedTuple

import structlog

from tests.model.history import run_history
from tests.model.statements import simulated

SHARE = 250
"""Histories that one process plays before it reports."""


class Tally(NamedTuple):
    """Sums over some histories."""

    histories: int
    published: int
    refused: int
    faults: list[tuple[int, str]]


def silence() -> None:
    """Thousands of histories have nothing to say on the way."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def run_some(order: tuple[int, int, bool, bool]) -> Tally:
    """Histories from a first seed on."""
    first, count, lossy, letters = order
    silence()
    published = refused = 0
    faults = []
    with simulated():
        for seed in range(first, first + count):
            result = run_history(seed, lossy=lossy, letters=letters)
            published += result.published
            refused += result.refused
            if result.fault:
                faults.append((seed, result.fault))
    return Tally(count, published, refused, faults)


def run_histories(histories: int, seed: int, *, lossy: bool, letters: bool = False) -> Tally:
    """Histories on all processors."""
    orders = [
        (at, min(SHARE, seed + histories - at), lossy, letters)
        for at in range(seed, seed + histories, SHARE)
    ]
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        tallies = pool.map(run_some, orders, chunksize=1)
    return Tally(
        sum(each.histories for each in tallies),
        sum(each.published for each in tallies),
        sum(each.refused for each in tallies),
        [fault for each in tallies for fault in each.faults],
    )
