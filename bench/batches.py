"""Batches: one provisioned by several connections, and what a slot costs in a crowd."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import outbox_school
from bench import statements
from bench.figures import Latency

if TYPE_CHECKING:
    from bench.scene import Place

CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Filled:
    """One batch: seconds in all, and of each command with its commit."""

    seconds: float
    commands: Latency


def grow(place: Place, batches: int) -> None:
    """Have so many more batches in the tables."""
    with place.connect() as link:
        link.execute(statements.load("fill_batches"), {"batches": batches})


def fill(place: Place, essays: int) -> Filled:
    """Register a batch and provision it over several connections at once."""
    batch_id = uuid.uuid4()
    with place.connect() as link:
        registered = outbox_school.handle(
            link,
            outbox_school.commands.RegisterBatch(
                actor="bench",
                batch_id=batch_id,
                user_id="teacher",
                course_code="ENG5",
                expected_essay_count=essays,
            ),
        )
    if isinstance(registered, outbox_school.Refused):
        raise RuntimeError(f"the batch was refused: {registered.message}")  # noqa: TRY004  no type error
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        shares = [range(first, essays, CONNECTIONS) for first in range(CONNECTIONS)]
        futures = [pool.submit(_provision, place, batch_id, share) for share in shares]
        taken = [each for future in futures for each in future.result()]
    return Filled(time.perf_counter() - began, Latency.of(taken))


def _provision(place: Place, batch_id: uuid.UUID, numbers: range) -> list[float]:
    taken = []
    with place.connect() as link:
        for number in numbers:
            command = outbox_school.commands.ProvisionContent(
                actor="bench",
                batch_id=batch_id,
                text_storage_id=f"text-{number}",
                file_upload_id=f"upload-{number}",
                original_file_name=f"essay {number}.docx",
                file_size_bytes=20_000,
            )
            began = time.perf_counter()
            result = outbox_school.handle(link, command)
            taken.append((time.perf_counter() - began) * 1000)
            if (
                not isinstance(result, outbox_school.results.ContentResult)
                or result.status != "assigned"
            ):
                raise RuntimeError(f"text {number} got no slot: {result}")
    return taken
