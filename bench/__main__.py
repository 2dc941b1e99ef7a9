"""`python -m bench [--quick] [--only PARTS]`: all figures of one run, in about ten minutes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from bench import against, batches, commands, compression, drain, live, peers, raw, report
from bench.figures import Figure, Latency, at_least, at_most
from bench.scene import Place, Scene, open_scene
from bench.versions import HERE, Version, prepare
from outbox_worker import logs
from outbox_worker.local.ports import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD_DAYS: Final = 40
"""The big backlog is of a day that long past, so that it can be purged once it is published."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    rounds: int = 3
    backlog: int = 300_000
    small: int = 30_000
    large: int = 3_000_000
    rates: tuple[int, ...] = (100, 1_000, 5_000)
    seconds: int = 20
    transactions: int = 500
    takeover_rate: int = 1_000
    takeover_s: int = 40
    commands: int = 10_000
    batches: int = 100_000
    codec_rounds: int = 5
    peer_rounds: int = 5


QUICK: Final = Sizes(
    rounds=1,
    backlog=100_000,
    large=300_000,
    rates=(100, 1_000),
    seconds=6,
    transactions=200,
    takeover_s=24,
    commands=3_000,
    batches=10_000,
    codec_rounds=1,
    peer_rounds=1,
)


class Run:
    """The parts of one run; they share what was measured before them."""

    def __init__(self, scene: Scene, sizes: Sizes) -> None:
        """Measure on `scene`."""
        self._scene = scene
        self._sizes = sizes

    def throughput(self) -> Iterator[Figure]:
        """(a) raw, (b) a drain of the same events, both in turn; (f) what that costs Postgres."""
        rounds = [self._round(number) for number in range(self._sizes.rounds)]
        ceilings, drains, costs = zip(*rounds, strict=True)
        yield Figure("a", "raw producer, no Postgres", median(ceilings), "events/s")
        rate = median(each.rate for each in drains)
        yield Figure("b", f"drain of {self._sizes.backlog:,}", rate, "events/s")
        ratios = [each.rate / ceiling for ceiling, each in zip(ceilings, drains, strict=True)]
        yield at_least("b", "drain / raw, within a round", median(ratios), "ratio", 0.40)
        cpu = median(each.cpu_seconds / each.events for each in drains) * 1e6
        yield Figure("b", "worker's processor time per event", cpu, "us")
        yield from self._costs(*costs[0])

    def _round(self, number: int) -> tuple[float, drain.Drain, tuple[drain.Costs, ...]]:
        """Raw before and after a drain: the cores are shared, and not the same all the time."""
        place = self._scene.place(f"drain{number}")
        empty = drain.read_costs(place)
        place.fill(self._sizes.backlog)
        full = drain.read_costs(place)
        place.finish()
        before = drain.read_costs(place)
        sooner = raw.measure_raw(place, self._scene.place(f"raw{number}").topic)
        found = drain.drain(place, self._sizes.backlog)
        after = drain.read_costs(place)
        later = raw.measure_raw(place, self._scene.place(f"again{number}").topic)
        return (sooner + later) / 2, found, (empty, full, before, after)

    def _costs(
        self, empty: drain.Costs, full: drain.Costs, before: drain.Costs, after: drain.Costs
    ) -> Iterator[Figure]:
        n = self._sizes.backlog
        changes = after.event_changes - before.event_changes
        yield at_most("f", "event tuples changed per event", changes / n, "tuples", 0)
        dead = after.event_dead - before.event_dead
        yield at_most("f", "dead event tuples per event", dead / n, "tuples", 0)
        mirror = after.all_changes - before.all_changes
        yield Figure("f", "tuples of the position mirror, all in all", mirror, "tuples")
        yield Figure("f", "WAL per event, inserting", (full.wal - empty.wal) / n, "bytes")
        yield Figure("f", "WAL per event, publishing", (after.wal - before.wal) / n, "bytes")

    def compression(self) -> Iterator[Figure]:
        """(j) the codecs of the records, in turn, each against none within its round."""
        sizes = self._sizes
        rounds = [
            compression.measure_round(self._scene, number, sizes.backlog // 3)
            for number in range(sizes.codec_rounds)
        ]
        for codec in compression.CODECS:
            drains = [each[codec][0] for each in rounds]
            rate = median(each.rate for each in drains)
            yield Figure("j", f"drain with {codec}", rate, "events/s")
            ratio = median(each[codec][0].rate / each["none"][0].rate for each in rounds)
            yield Figure("j", f"drain with {codec} / with none, within a round", ratio, "ratio")
            cpu = median(each.cpu_seconds / each.events for each in drains) * 1e6
            yield Figure("j", f"worker's processor time with {codec}", cpu, "us an event")
            size = median(each[codec][1] for each in rounds)
            yield Figure("j", f"an event in Kafka with {codec}", size, "bytes")

    def backlogs(self) -> Iterator[Figure]:
        """(c) a backlog a hundred times as large, (g) its purge."""
        small = self._drain("small", self._sizes.small)[1]
        yield Figure("c", f"drain of {self._sizes.small:,}", small.rate, "events/s")
        place, large = self._drain("large", self._sizes.large)
        yield Figure("c", f"drain of {self._sizes.large:,}", large.rate, "events/s")
        yield at_least("c", "large / small", large.rate / small.rate, "ratio", 0.9)
        yield at_most("c", "peak memory of the worker", large.peak_mib, "MiB", 150)
        seconds, work, events = drain.purge(place, OLD_DAYS // 2)
        if events < self._sizes.large:
            raise RuntimeError(f"purge removed {events} events only")
        yield at_most("g", f"purge of a day of {events:,}", seconds, "s", 1)
        yield Figure("g", "of it beyond the start of the command", work, "s")
        self._scene.drop(place)

    def latency(self) -> Iterator[Figure]:
        """(d) commit to subscriber beside its floor."""
        floor = self._measure_floor()
        yield from _quantiles("transaction alone, the floor", floor)
        for rate in self._sizes.rates:
            place = self._scene.place(f"rate{rate}")
            with place.worker() as worker:
                worker.wait_for_shards()
                found = live.measure_latency(self._scene, place, rate, self._sizes.seconds)
            reached = found.count / self._sizes.seconds
            yield Figure("d", f"{rate:,} events/s, received", reached, "events/s")
            targets = {100: {"p50": 12.0}, 1_000: {"p50": 2.5 * floor.p50, "p99": 8 * floor.p50}}
            yield from _quantiles(f"{rate:,} events/s", found, targets.get(rate))

    def takeover(self) -> Iterator[Figure]:
        """(e) one of two workers is killed."""
        place = self._scene.place("takeover")
        sizes = self._sizes
        found = live.measure_takeover(self._scene, place, sizes.takeover_rate, sizes.takeover_s)
        yield at_most("e", "longest gap, killed worker's shards", found.killed, "s", 10)
        yield at_most("e", "longest gap, other shards", found.others, "s", 1)

    def inbox(self) -> Iterator[Figure]:
        """(h) commands of the inbox: rate, result, statements."""
        sizes = self._sizes
        sooner = commands.measure_bare(self._scene.place("bare"), sizes.commands)
        rate = commands.measure_rate(self._scene.place("commands"), sizes.commands)
        later = commands.measure_bare(self._scene.place("bare_again"), sizes.commands)
        bare = (sooner + later) / 2
        yield Figure("h", "its statements in a bare loop", bare, "commands/s")
        yield at_least("h", "CreateStudent from 1,000 keys", rate, "commands/s", 1_000)
        yield Figure("h", "commands / bare loop", rate / bare, "ratio")
        found = commands.measure_latency(self._scene.place("results"), 100, sizes.seconds)
        targets = {"p99": 50.0}
        yield from _quantiles("submit to result at 100/s", found, targets, part="h")
        address = f"{HOST}:{free_port()}"
        count = commands.count_statements(self._scene.place("statements"), 1_000, address)
        yield Figure("h", "statements of a command", count, "statements")

    def peers(self) -> Iterator[Figure]:
        """(j) other queues run the statements of the commands as jobs, in turn with ours."""
        found: dict[str, list[float]] = {"ours": [], **{peer: [] for peer in peers.PEERS}}
        jobs = self._sizes.commands // 5
        for number in range(self._sizes.peer_rounds):
            for peer in sorted(found, reverse=bool(number % 2)):
                place = self._scene.place(f"{peer}_{number}")
                of_peer = partial(peers.measure, place, peer)
                measure = partial(commands.measure_rate, place) if peer == "ours" else of_peer
                found[peer].append(measure(jobs))
                self._scene.drop(place)
        for peer, rates in found.items():
            name = "CreateStudent as commands" if peer == "ours" else peers.name_of(peer)
            yield Figure("j", name, median(rates), "jobs/s")

    def essays(self) -> Iterator[Figure]:
        """(i) batches: a thousand slots, and whether a slot costs more in a crowd."""
        place = self._scene.place("batches")
        batches.fill(place, 100)
        small, large = batches.fill(place, 100), batches.fill(place, 1_000)
        yield Figure("i", "1,000 essays by 8 connections", large.seconds, "s")
        yield Figure("i", "of it one command, p50", large.commands.p50, "ms")
        yield Figure("i", "of it one command, p99", large.commands.p99, "ms")
        each = (large.seconds / 1_000) / (small.seconds / 100)
        yield Figure("i", "a slot of 1,000 / of 100", each, "ratio")
        batches.grow(place, self._sizes.batches)
        crowd = batches.fill(place, 1_000)
        name = f"a slot beside {self._sizes.batches:,} batches / beside 10"
        yield Figure("i", name, crowd.seconds / large.seconds, "ratio")

    def _drain(self, name: str, events: int) -> tuple[Place, drain.Drain]:
        place = self._scene.place(name)
        drain.make_day(place, OLD_DAYS)
        place.fill(events, days=OLD_DAYS)
        place.finish(days=OLD_DAYS)
        return place, drain.drain(place, events)

    def _measure_floor(self) -> Latency:
        place = self._scene.place("floor")
        place.fill(1_000)
        return raw.measure_floor(place, self._sizes.transactions)


def _quantiles(
    name: str, found: Latency, targets: dict[str, float] | None = None, *, part: str = "d"
) -> Iterator[Figure]:
    for field in ("p50", "p90", "p99", "max"):
        value, most = getattr(found, field), (targets or {}).get(field)
        label = f"{name}, {field}"
        yield (
            Figure(part, label, value, "ms")
            if most is None
            else at_most(part, label, value, "ms", most)
        )


PARTS: Final = (
    "throughput",
    "backlogs",
    "latency",
    "takeover",
    "inbox",
    "essays",
    "compression",
)


ASKED_FOR: Final = "peers"
"""A part that is measured only where it is named."""

TURNS: Final = ("throughput", "latency", "inbox", "start")
"""The parts that are compared with other versions."""

NAMES: Final = (*PARTS, ASKED_FOR, "start")


@click.command()
@click.option("--quick", is_flag=True, help="smaller numbers, in a few minutes")
@click.option(
    "--only",
    type=click.Choice((*PARTS, ASKED_FOR, "start")),
    multiple=True,
    help="these parts alone",
)
@click.option(
    "--against", "commits", multiple=True, metavar="COMMIT", help="in turn with that commit"
)
@click.option("--rounds", type=click.IntRange(1), help="of --against: 5, with --quick 3")
def main(
    *, quick: bool, only: tuple[str, ...], commits: tuple[str, ...], rounds: int | None
) -> None:
    """Measure everything on servers of its own; print a table, write bench/results.

    With --against the parts throughput, latency, inbox and start of this tree and of other
    commits in turn, and the ratios.
    """
    logs.set_up("warning")
    console = Console()
    load = os.getloadavg()[0]
    console.print(f"{os.cpu_count()} cores; load of the last minute, before we begin: {load:.1f}")
    figures: list[Figure] = []
    known = TURNS if commits else (*PARTS, ASKED_FOR)
    if unknown := sorted(set(only) - set(known)):
        raise click.UsageError(f"{', '.join(unknown)}: measured here are {', '.join(known)}")
    versions = [prepare(each) for each in commits]
    with open_scene() as scene:
        began = time.monotonic()
        events, rates = drain.warm_up(scene)
        console.print(
            f"warmed up for {time.monotonic() - began:.0f} s: {events:,} events, drained at "
            f"{', '.join(f'{each:,.0f}' for each in rates)} a second"
        )
        if versions:
            sizes = against.QUICK if quick else against.Sizes()
            sizes = replace(sizes, rounds=rounds or sizes.rounds)
            compare_versions(scene, versions, only, console, sizes)
            return
        run = Run(scene, QUICK if quick else Sizes())
        parts = {
            "throughput": run.throughput,
            "backlogs": run.backlogs,
            "latency": run.latency,
            "takeover": run.takeover,
            "inbox": run.inbox,
            "essays": run.essays,
            "compression": run.compression,
            ASKED_FOR: run.peers,
        }
        for name in only or PARTS:
            for figure in parts[name]():
                figures.append(figure)
                console.print(f"({figure.part}) {figure.name}: {figure.value:,.4g} {figure.unit}")
    console.print(report.as_table(figures))
    for path in report.write(figures, quick=quick, load=load):
        console.print(f"written: {path.relative_to(report.RESULTS.parents[1])}")


def compare_versions(
    scene: Scene,
    versions: list[Version],
    only: tuple[str, ...],
    console: Console,
    sizes: against.Sizes,
) -> None:
    """Print, and write down, what this tree and the others do in turn."""
    load = os.getloadavg()[0]
    found = against.Contest(scene, [HERE, *versions], sizes).play(only or TURNS, console)
    compared = against.compare(found)
    console.print(against.as_table(compared, sizes.rounds))
    console.print(f"written: {against.write(compared, found, load)}")


if __name__ == "__main__":
    main()
