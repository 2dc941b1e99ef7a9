"""One of several who upload the same batches at the same time, each in an order of his own.

Everybody registers every batch and offers every text and every failed file of it, some of
them first in a transaction that rolls back: `python -m tests.domain.uploader URL SEED NUMBER
BATCHES MOST` is the same as a process of its own.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import psycopg

import outbox_school
from tests.domain.school_rows import succeeds
from tests.domain.uploads import broken, registration, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_school.commands import AnyCommand
    from tests.domain.school_rows import Connection

OPTIONS: Final = "-c deadlock_timeout=100ms -c synchronous_commit=off"
START: Final = 7
"""An advisory lock that the starter holds until everybody is there."""


@dataclass(frozen=True)
class Upload:
    """A batch and what is uploaded to it; fewer, as many or more than it has slots."""

    batch_id: UUID
    slots: int
    texts: int
    failures: int

    def commands(self) -> list[AnyCommand]:
        """All of it, with failures numbered after the texts."""
        numbers = range(self.texts + self.failures)
        return [
            registration(self.slots, self.batch_id),
            *(text(n, self.batch_id) for n in numbers[: self.texts]),
            *(broken(n, self.batch_id) for n in numbers[self.texts :]),
        ]


def drawn(seed: int, batches: int) -> list[Upload]:
    """The same batches for everybody who knows the seed."""
    chance = random.Random(seed)
    return [
        Upload(
            UUID(int=chance.getrandbits(128)),
            chance.randint(1, 5),
            chance.randint(0, 5),
            chance.randint(0, 2),
        )
        for _ in range(batches)
    ]


def connect(url: str) -> Connection:
    return psycopg.connect(url, autocommit=True, options=OPTIONS, application_name="uploader")


def upload_all(
    link: Connection, uploads: Sequence[Upload], chance: random.Random, most: int
) -> int:
    """Upload it all, up to `most` commands a transaction; how many deadlocks there were."""
    deadlocks = 0
    for upload in uploads:
        commands = upload.commands()
        chance.shuffle(commands)
        for some in parts(commands, chance, most):
            if chance.random() < 0.15:
                deadlocks += carry_out(link, some, commits=False)
            deadlocks += carry_out(link, some, commits=True)
    return deadlocks


def parts(
    commands: Sequence[AnyCommand], chance: random.Random, most: int
) -> Iterator[Sequence[AnyCommand]]:
    place = 0
    while place < len(commands):
        size = chance.randint(1, most)
        yield commands[place : place + size]
        place += size


def carry_out(link: Connection, commands: Sequence[AnyCommand], *, commits: bool) -> int:
    """One transaction, again after each deadlock; how many there were."""
    deadlocks = 0
    while True:
        try:
            with link.transaction(force_rollback=not commits):
                for command in commands:
                    succeeds(outbox_school.handle(link, command))
        except psycopg.errors.DeadlockDetected:
            deadlocks += 1
        else:
            return deadlocks


def main(url: str, seed: str, number: str, batches: str, most: str) -> None:
    """A process of its own: starts when the lock is free, and prints how many deadlocks it met."""
    with connect(url) as link:
        link.execute("SELECT pg_advisory_xact_lock_shared(%s)", (START,))
        chance = random.Random(f"{seed} {number}")
        sys.stdout.write(f"{upload_all(link, drawn(int(seed), int(batches)), chance, int(most))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
