"""Several who do things at nearly the same moment, each on a connection of its own."""

from __future__ import annotations

import random
import secrets
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from outbox_worker.postgres import database
from tests.domain.authors import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from outbox_worker.application import Connection

WORKERS: Final = 8
MOST_QUESTIONS: Final = 15

Work: TypeAlias = "Callable[[Connection], object]"


class Crowd:
    """Up to eight; `chance` is drawn from a seed that is printed, which pytest shows on failure."""

    def __init__(self, links: Sequence[Connection], pool: ThreadPoolExecutor) -> None:
        """Draw the seed."""
        seed = secrets.randbits(32)
        sys.stdout.write(f"seed {seed}\n")
        self.chance = random.Random(seed)
        self._links = links
        self._pool = pool

    def at_once(self, works: Sequence[Work]) -> list[object]:
        """Do these; what came of each, in their order.

        Each asks the server a few questions before, so that another one is the first each time.
        """
        start = threading.Barrier(len(works))

        def play(link: Connection, work: Work, questions: int) -> object:
            start.wait(WAIT_S)
            for _ in range(questions):
                link.execute("SELECT 1")
            return work(link)

        futures = [
            self._pool.submit(play, link, work, self.chance.randrange(MOST_QUESTIONS))
            for link, work in zip(self._links, works, strict=False)
        ]
        return [future.result(WAIT_S) for future in futures]


@contextmanager
def gathered(url: str) -> Iterator[Crowd]:
    """A crowd with its connections, for as long as the block lasts."""
    with ExitStack() as stack:
        links = [
            stack.enter_context(database.connect(url, application=f"crowd {number}"))
            for number in range(WORKERS)
        ]
        yield Crowd(links, stack.enter_context(ThreadPoolExecutor(WORKERS)))
