"""A class and its students, asked for by several threads of a teacher's service."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from outbox_worker.application import demo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID


TEACHER: Final = "teacher-karin"

THREADS: Final = 4
STUDENTS: Final = 48
ROLL_BACK: Final = 0.1
SEED: Final = 8

COURSE: Final = "ENG5"

FIRST_NAMES: Final = (
    *("Alva", "Bo", "Ebba", "Elias", "Freja", "Hugo"),
    *("Ines", "Jens", "Klara", "Liam", "Maja", "Nils"),
)
LAST_NAMES: Final = (
    *("Berg", "Dahl", "Ek", "Falk", "Holm", "Lind"),
    *("Modig", "Nyman", "Palm", "Quist", "Rask", "Strand"),
)


def create_class(name: str, course: str = COURSE) -> demo.Request:
    """A class of one course; its id is that of the command."""
    command_id = uuid4()
    payload = {"name": name, "course_codes": [course]}
    return demo.Request("CreateClass", str(command_id), payload, TEACHER, command_id)


def create_student(class_id: UUID, number: int, email: str = "") -> demo.Request:
    """The student of this number, enrolled in the class; the id is that of the command.

    Each has a key of its own, so that they wait for nobody.
    """
    first = FIRST_NAMES[number % len(FIRST_NAMES)]
    last = LAST_NAMES[(number + number // len(FIRST_NAMES)) % len(LAST_NAMES)]
    command_id = uuid4()
    payload = {
        "first_name": first,
        "last_name": last,
        "email": email or f"{first}.{last}@school.test".lower(),
        "class_ids": [str(class_id)],
    }
    return demo.Request("CreateStudent", str(command_id), payload, TEACHER, command_id)


class Office:
    """Threads that ask for students, each in a transaction; about a tenth of these roll back."""

    def __init__(self, stage: demo.Stage, class_id: UUID) -> None:
        """Nothing is asked for before `ask`."""
        self._stage = stage
        self.class_id = class_id
        self._lock = threading.Lock()
        dice = random.Random(SEED)  # noqa: S311  a demonstration, not a cipher
        self._unlucky = frozenset(n for n in range(STUDENTS) if dice.random() < ROLL_BACK)
        self.committed: list[demo.Request] = []
        self.rolled_back: list[demo.Request] = []

    @contextmanager
    def ask(self, numbers: range) -> Iterator[None]:
        """Ask for these students in threads, beside the block; its end waits for all."""
        shares = [numbers[thread::THREADS] for thread in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(self._ask, share) for share in shares]
            yield
            for future in futures:
                future.result()

    def _ask(self, numbers: Iterable[int]) -> None:
        with self._stage.connect() as connection:
            for number in numbers:
                request = create_student(self.class_id, number)
                is_rolled_back = number in self._unlucky
                with connection.transaction(force_rollback=is_rolled_back):
                    self._stage.submit(connection, request)
                with self._lock:
                    (self.rolled_back if is_rolled_back else self.committed).append(request)
