"""Calls at nearly the same moment, each on a connection of its own."""

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


class ConcurrentCalls:
    """Up to eight; `chance` is drawn from a seed that is printed, which pytest shows on failure."""

    def __init__(self, links: Sequence[Connection], pool: ThreadPoolExecutor) -> None:
        """Draw the seed."""
        seed = secrets.randbits(32)
        sys.stdout.write(f"seed {seed}\n")
        self.chance = random.Random(seed)
        self._links = links
        self._pool = pool

    def at_once(self, works: Sequence[Work]) -> list[object]:
        """Call these; returns their results in the same order.

        Each sends the server a few queries first, so that the first one varies.
        """
        start = threading.Barrier(len(works))

        def call(link: Connection, work: Work, questions: int) -> object:
            start.wait(WAIT_S)
            for _ in range(questions):
                link.execute("SELECT 1")
            return work(link)

        futures = [
            self._pool.submit(call, link, work, self.chance.randrange(MOST_QUESTIONS))
            for link, work in zip(self._links, works, strict=False)
        ]
        return [future.result(WAIT_S) for future in futures]


@contextmanager
def concurrent_calls(url: str) -> Iterator[ConcurrentCalls]:
    """Connections for concurrent calls, for as long as the block lasts."""
    with ExitStack() as stack:
        links = [
            stack.enter_context(database.connect(url, application=f"concurrent {number}"))
            for number in range(WORKERS)
        ]
        yield ConcurrentCalls(links, stack.enter_context(ThreadPoolExecutor(WORKERS)))
