"""Many texts offered to the same batch at the same moment, by threads or several processes.

`python -m tests.domain.contention URL SEED BATCHES NUMBER` is one of the processes: before each
batch it waits until the starter lets all of them go; at the end it prints the results.
"""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import UUID

import outbox_school
from outbox_school.results import ContentResult
from tests.domain.uploader import START, connect
from tests.domain.uploads import text
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_school.commands import AnyCommand
    from outbox_school.results import Result
    from tests.domain.school_rows import Connection

PROCESSES: Final = 5
LINKS: Final = 4
"""Connections of each process."""

WAIT_S: Final = 60.0

HOLD: Final = "SELECT count(pg_advisory_lock(%s, n)) FROM generate_series(0, %s - 1) AS n"
AWAIT: Final = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
LET_GO: Final = "SELECT pg_advisory_unlock(%s, %s)"
WAITING: Final = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
      AND classid = %s AND objid = %s"""


@dataclass(frozen=True)
class ContendedBatch:
    """A batch, and the numbers of the texts that are offered to it at once."""

    batch_id: UUID
    slots: int
    names: Sequence[int]

    def commands(self) -> list[AnyCommand]:
        return [text(name, self.batch_id) for name in self.names]


def twenty_identical(chance: random.Random) -> ContendedBatch:
    """Texts on three slots."""
    return ContendedBatch(UUID(int=chance.getrandbits(128)), 3, [chance.randrange(100)] * 20)


def thirty_distinct(chance: random.Random) -> ContendedBatch:
    """Texts on fifteen slots."""
    return ContendedBatch(UUID(int=chance.getrandbits(128)), 15, chance.sample(range(100), 30))


def drawn(seed: int, batches: int) -> list[ContendedBatch]:
    """Batches of both kinds in turn, the same for the same seed."""
    chance = random.Random(seed)
    kinds = (twenty_identical, thirty_distinct)
    return [kinds[number % 2](chance) for number in range(batches)]


class Connections:
    """Connections that each carry out their share of the commands, all at once."""

    def __init__(self, links: Sequence[Connection], pool: ThreadPoolExecutor) -> None:
        self._links = links
        self._pool = pool

    def carry_out(self, commands: Sequence[AnyCommand]) -> list[Result]:
        """The results, in the order of the commands; more than there are links go round."""
        shares = [commands[n :: len(self._links)] for n in range(len(self._links))]

        def work(link: Connection, share: Sequence[AnyCommand]) -> list[Result]:
            return [outbox_school.handle(link, command) for command in share]

        done = list(self._pool.map(work, self._links, shares))
        return [done[n % len(done)][n // len(done)] for n in range(len(commands))]


@contextmanager
def open_connections(url: str, count: int) -> Iterator[Connections]:
    """So many connections, for as long as the block lasts."""
    with ExitStack() as stack:
        links = [stack.enter_context(connect(url)) for _ in range(count)]
        yield Connections(links, stack.enter_context(ThreadPoolExecutor(count)))


def in_processes(url: str, link: Connection, seed: int, batches: int) -> list[list[ContentResult]]:
    """What came of the drawn batches, which are registered, by process."""
    link.execute(HOLD, (START, batches))
    order = [sys.executable, "-m", "tests.domain.contention", url, str(seed), str(batches)]
    processes = [
        subprocess.Popen([*order, str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    try:
        for place in range(batches):
            wait_until(partial(all_wait, link, place), WAIT_S, "all processes are there")
            link.execute(LET_GO, (START, place))
        said = [each.communicate(timeout=patient(WAIT_S))[0].splitlines() for each in processes]
    finally:
        for each in processes:
            each.kill()
    assert [each.returncode for each in processes] == [0] * PROCESSES
    return [list(map(ContentResult.model_validate_json, lines)) for lines in said]


def all_wait(link: Connection, place: int) -> bool:
    """Whether every process waits to be let go for the batch at this place."""
    return link.execute(WAITING, (START, place)).fetchone() == (PROCESSES,)


def main(url: str, seed: str, batches: str, number: str) -> None:
    """Offer this process's share of each batch, and print a line for each result."""
    results: list[Result] = []
    with connect(url) as gate, open_connections(url, LINKS) as connections:
        for place, contended in enumerate(drawn(int(seed), int(batches))):
            share = contended.commands()[int(number) :: PROCESSES]
            gate.execute(AWAIT, (START, place))
            results += connections.carry_out(share)
    # At once: the starter reads when all is done.
    sys.stdout.writelines(f"{result.model_dump_json()}\n" for result in results)


if __name__ == "__main__":
    main(*sys.argv[1:])
