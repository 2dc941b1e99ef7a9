"""Two or more versions of the worker in turn, on the same servers, under the same load.

Cores and disks of a shared machine change their speed from minute to minute, so a figure alone
says little. Within a round each version has its turn, in another order each time; what counts
is the ratio within a round, and its median.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import permutations
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

from rich.table import Table

from bench import commands, drain, live, raw
from bench.report import RESULTS
from bench.versions import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from bench.figures import Latency
    from bench.scene import Place, Scene
    from bench.versions import Version

Values: TypeAlias = "dict[tuple[str, str], float]"
"""By part and name of a figure, its value."""

STARTS: Final = 3
"""How often a start is timed in a round; the quickest counts."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured in a round, of each version."""

    rounds: int = 5
    backlog: int = 300_000
    rates: tuple[int, ...] = (100, 1_000, 5_000)
    seconds: int = 10
    commands: int = 5_000


QUICK: Final = Sizes(rounds=3, backlog=100_000, rates=(1_000,), seconds=6, commands=2_000)


class Contest:
    """The rounds of some versions; `compare` has the results."""

    def __init__(self, scene: Scene, versions: Sequence[Version], sizes: Sizes) -> None:
        """Measure on `scene`, whose broker is warm."""
        self._scene = scene
        self._versions = versions
        self._sizes = sizes
        self._made = 0

    def play(self, parts: Sequence[str], console: Console) -> dict[Version, list[Values]]:
        """What each round found of each version."""
        found: dict[Version, list[Values]] = {each: [] for each in self._versions}
        turns: Mapping[str, Callable[[Version], Iterator[tuple[str, str, float]]]] = {
            "throughput": self._throughput,
            "latency": self._latency,
            "inbox": self._inbox,
            "start": self._start,
        }
        orders = list(permutations(self._versions))
        for number in range(self._sizes.rounds):
            turn = orders[number % len(orders)]
            load = os.getloadavg()[0]
            console.print(f"round {number + 1} of {self._sizes.rounds}, load before it {load:.1f}")
            values: dict[Version, Values] = defaultdict(dict)
            for part in parts:
                for version in turn:
                    for letter, name, value in turns[part](version):
                        values[version][letter, name] = value
            for version in self._versions:
                found[version].append(values[version])
        return found

    def _place(self, version: Version) -> Place:
        self._made += 1
        return self._scene.place(f"turn{self._made}", version)

    def _throughput(self, version: Version) -> Iterator[tuple[str, str, float]]:
        place = self._place(version)
        place.fill(self._sizes.backlog)
        place.finish()
        # The records of a place of ours: what they are made of is the same in all versions.
        rows = self._place(HERE)
        rows.fill(self._sizes.backlog // 3)
        before = raw.measure_raw(rows, rows.topic)
        done = drain.drain(place, self._sizes.backlog)
        after = raw.measure_raw(rows, rows.topic)
        yield "b", f"drain of {self._sizes.backlog:,}, events/s", done.rate
        yield "b", "drain / raw producer before and after", done.rate * 2 / (before + after)
        yield "b", "worker's processor time, us an event", done.cpu_seconds / done.events * 1e6
        yield "b", "peak memory of the worker, MiB", done.peak_mib
        self._scene.drop(place)
        self._scene.drop(rows)

    def _latency(self, version: Version) -> Iterator[tuple[str, str, float]]:
        for rate in self._sizes.rates:
            place = self._place(version)
            with place.worker() as worker:
                worker.wait_for_shards()
                found = live.measure_latency(self._scene, place, rate, self._sizes.seconds)
            yield from _quantiles("d", f"{rate:,} events/s", found)
            self._scene.drop(place)

    def _inbox(self, version: Version) -> Iterator[tuple[str, str, float]]:
        place = self._place(version)
        yield "h", "CreateStudent, commands/s", commands.measure_rate(place, self._sizes.commands)
        self._scene.drop(place)
        place = self._place(version)
        found = commands.measure_latency(place, 100, self._sizes.seconds)
        yield from _quantiles("h", "submit to result at 100/s", found)
        self._scene.drop(place)

    def _start(self, version: Version) -> Iterator[tuple[str, str, float]]:
        taken = []
        for _ in range(STARTS):
            place = self._place(version)
            place.finish()
            began = time.perf_counter()
            with place.worker():
                drain.wait_for_last(place)
                taken.append(time.perf_counter() - began)
            self._scene.drop(place)
        yield "k", "from `run` to the first event out, s", min(taken)
        taken = []
        for _ in range(STARTS):
            began = time.perf_counter()
            subprocess.run([version.command, "--version"], check=True, capture_output=True)
            taken.append(time.perf_counter() - began)
        yield "k", "`--version`, s", min(taken)


def _quantiles(part: str, name: str, found: Latency) -> Iterator[tuple[str, str, float]]:
    yield part, f"{name}, p50 ms", found.p50
    yield part, f"{name}, p90 ms", found.p90
    yield part, f"{name}, p99 ms", found.p99


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of ours beside that of another version."""

    part: str
    name: str
    other: str
    ours: float
    theirs: float
    ratio: float
    least: float
    most: float


def compare(found: Mapping[Version, Sequence[Values]]) -> list[Compared]:
    """Of each figure the medians, and the ratios ours / theirs within a round."""
    ours = found[HERE]
    compared = []
    for version, rounds in found.items():
        if version == HERE:
            continue
        for part, name in ours[0]:
            pairs = [(a[part, name], b[part, name]) for a, b in zip(ours, rounds, strict=True)]
            ratios = [a / b for a, b in pairs]
            medians = median(a for a, _ in pairs), median(b for _, b in pairs)
            spread = min(ratios), max(ratios)
            compared.append(Compared(part, name, version.name, *medians, median(ratios), *spread))
    return compared


def as_table(compared: Sequence[Compared], rounds: int) -> Table:
    """One line a figure and version."""
    table = Table(title=f"this tree against others, medians of {rounds} rounds")
    for head in ("", "figure", "against"):
        table.add_column(head)
    for head in ("here", "there", "here / there", "within"):
        table.add_column(head, justify="right")
    for each in compared:
        values = f"{each.ours:,.4g}", f"{each.theirs:,.4g}", f"{each.ratio:.2f}"
        spread = f"{each.least:.2f} to {each.most:.2f}"
        table.add_row(each.part, each.name, each.other, *values, spread)
    return table


def write(
    compared: Sequence[Compared], found: Mapping[Version, Sequence[Values]], load: float
) -> Path:
    """Everything that was measured, in `bench/results/against.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "against.json"
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(load, 2),
        "compared": [asdict(each) for each in compared],
        "rounds": {
            version.name: [{" ".join(key): value for key, value in each.items()} for each in rounds]
            for version, rounds in found.items()
        },
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
