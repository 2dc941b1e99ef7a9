"""Two and three transactions in every order of their statements: each ends as the rules say.

A race names the statements before which its transactions stop: those that hold or give back
what another one may want, wait for it, or answer by what another one may just have committed.
"""

from __future__ import annotations

import random
import secrets
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

import pytest

import outbox_school
from outbox_school.commands import ProvisionContent, RecordValidationFailure, RegisterBatch
from outbox_school.results import BatchResult, ContentResult, ErrorCode, FailureResult
from outbox_worker.application import Refused
from outbox_worker.postgres import database as connections
from tests.domain.scheduler import END, Transaction, in_every_order, scheduler
from tests.domain.school_rows import succeeds
from tests.domain.upload_rules import assert_batch_rules
from tests.domain.uploads import broken, registration, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from outbox_school.commands import AnyCommand
    from tests.domain.scheduler import Execution, Pick, Scheduler
    from tests.domain.school_rows import Connection
    from tests.domain.upload_rules import BatchRecord

MOST_ORDERS: Final = 100
"""Of three transactions so many orders are drawn by chance."""

SLOTS: Final = frozenset(
    {
        "slot/claim_slot",
        "slot/find_free_slot",
        "slot/wait_for_slot",
        "slot/lock_spare_slot",
        "batch/lock_gate",
        "slot/lock_free_slots",
        "batch/mark_provisioned",
        "batch/lock_arrival",
        END,
    }
)
OFFERS: Final = frozenset(
    {
        "content/insert_content",
        "content/find_content",
        "failure/insert_failure",
        "failure/find_failure",
    }
)
REGISTRATION: Final = frozenset(
    {
        "batch/lock_registration",
        "batch/find_registered",
        "content/lock_early",
        "failure/lock_early",
        "slot/claim_slot",
        "slot/find_free_slot",
        "slot/wait_for_slot",
        "batch/lock_arrival",
        END,
    }
)
ARRIVALS: Final = REGISTRATION | SLOTS


@dataclass(frozen=True)
class Race:
    """Transactions over one batch, which is registered before unless `slots` is 0."""

    slots: int
    transactions: Callable[[UUID], list[Transaction]]
    stops: frozenset[str] = SLOTS


def of(command: AnyCommand, *, commits: bool = True) -> Transaction:
    return Transaction([command], commits)


PAIRS: Final[Mapping[str, Race]] = {
    "two texts, one slot": Race(1, lambda b: [of(text(1, b)), of(text(2, b))]),
    "two texts, two slots": Race(2, lambda b: [of(text(1, b)), of(text(2, b))]),
    "two texts, three slots": Race(3, lambda b: [of(text(1, b)), of(text(2, b))]),
    "a text and a failed file, one slot": Race(1, lambda b: [of(text(1, b)), of(broken(2, b))]),
    "a text and a failed file, two slots": Race(2, lambda b: [of(text(1, b)), of(broken(2, b))]),
    "the holder of the only slot rolls back": Race(
        1, lambda b: [of(text(1, b), commits=False), of(text(2, b))]
    ),
    "the holder of one of two slots rolls back": Race(
        2, lambda b: [of(text(1, b), commits=False), of(text(2, b))]
    ),
    "both roll back": Race(
        2, lambda b: [of(text(1, b), commits=False), of(text(2, b), commits=False)]
    ),
    "the same text twice": Race(2, lambda b: [of(text(1, b)), of(text(1, b))], SLOTS | OFFERS),
    "the same text twice, one rolls back": Race(
        1, lambda b: [of(text(1, b), commits=False), of(text(1, b))], SLOTS | OFFERS
    ),
    "the same failed file twice": Race(
        2, lambda b: [of(broken(1, b)), of(broken(1, b))], SLOTS | OFFERS
    ),
    "a text and the registration": Race(
        0, lambda b: [of(text(1, b)), of(registration(2, b))], REGISTRATION | OFFERS
    ),
    "a text and a registration that it fills": Race(
        0, lambda b: [of(text(1, b)), of(registration(1, b))], REGISTRATION | OFFERS
    ),
    "a failed file and the registration": Race(
        0, lambda b: [of(broken(1, b)), of(registration(1, b))], REGISTRATION | OFFERS
    ),
    "a text and a registration that rolls back": Race(
        0, lambda b: [of(text(1, b)), of(registration(1, b), commits=False)], REGISTRATION | OFFERS
    ),
    "a text that rolls back and the registration": Race(
        0, lambda b: [of(text(1, b), commits=False), of(registration(1, b))], REGISTRATION | OFFERS
    ),
    "the same registration twice": Race(
        0, lambda b: [of(registration(2, b)), of(registration(2, b))], REGISTRATION
    ),
    "two registrations that differ": Race(
        0, lambda b: [of(registration(1, b)), of(registration(2, b))], REGISTRATION
    ),
    "a registration again and the last text": Race(
        1, lambda b: [of(registration(1, b)), of(text(1, b))], ARRIVALS
    ),
}
TRIPLES: Final[Mapping[str, Race]] = {
    "three texts, two slots": Race(2, lambda b: [of(text(n, b)) for n in (1, 2, 3)]),
    "three texts, three slots": Race(3, lambda b: [of(text(n, b)) for n in (1, 2, 3)]),
    "two texts and a failed file, three slots": Race(
        3, lambda b: [of(text(1, b)), of(broken(2, b)), of(text(3, b))]
    ),
    "one of three rolls back, two slots": Race(
        2, lambda b: [of(text(1, b), commits=False), of(text(2, b)), of(text(3, b))]
    ),
    "one of three rolls back, three slots": Race(
        3, lambda b: [of(text(1, b), commits=False), of(text(2, b)), of(text(3, b))]
    ),
    "two of three roll back, two slots": Race(
        2,
        lambda b: [of(text(1, b), commits=False), of(text(2, b), commits=False), of(text(3, b))],
    ),
    # With a slot for each: otherwise the second text of the one waits for the last text of the
    # others, and that one, which may complete the batch, for the first. Postgres breaks it.
    "a transaction of two texts that rolls back": Race(
        4,
        lambda b: [
            Transaction([text(1, b), text(2, b)], commits=False),
            of(text(3, b)),
            of(text(4, b)),
        ],
    ),
    "twins and another text, two slots": Race(
        2, lambda b: [of(text(1, b)), of(text(1, b)), of(text(2, b))], SLOTS | OFFERS
    ),
    "a text, a failed file and the registration that they fill": Race(
        0, lambda b: [of(text(1, b)), of(broken(2, b)), of(registration(2, b))], ARRIVALS
    ),
    "two texts and a registration of one": Race(
        0, lambda b: [of(text(1, b)), of(text(2, b)), of(registration(1, b))], ARRIVALS
    ),
    "a text and two registrations, one rolls back": Race(
        0,
        lambda b: [
            of(text(1, b)),
            of(registration(1, b), commits=False),
            of(registration(1, b)),
        ],
        ARRIVALS,
    ),
}


@pytest.fixture(scope="module")
def trio(migrated_database_url: str) -> Iterator[Scheduler]:
    with scheduler(migrated_database_url, 3) as found:
        yield found


@pytest.fixture
def connection(migrated_database_url: str) -> Iterator[Connection]:
    """A database without batches, shared: making one for each race takes longer."""
    with connections.connect(migrated_database_url, application="tests") as link:
        link.execute(
            "TRUNCATE school.batch, school.content, school.failure, school.batch_tally, "
            "outbox.event CASCADE"
        )
        yield link


@pytest.mark.parametrize("name", PAIRS)
def test_two_transactions_in_every_order(
    trio: Scheduler, connection: Connection, name: str
) -> None:
    orders = in_every_order(lambda pick: run_race(trio, connection, PAIRS[name], pick))
    assert len({tuple(taken) for _, taken, _ in orders}) == len(orders) > 1
    sys.stdout.write(f"{len(orders)} orders\n")
    verify(connection, PAIRS[name], orders)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIPLES)
def test_three_transactions_in_orders_drawn_by_chance(
    trio: Scheduler, connection: Connection, name: str
) -> None:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    pick = random.Random(seed).choice
    orders = [run_race(trio, connection, TRIPLES[name], pick) for _ in range(MOST_ORDERS)]
    verify(connection, TRIPLES[name], orders)


Order = tuple[UUID, list[int], list[list[object]]]


def run_race(trio: Scheduler, connection: Connection, race: Race, pick: Pick) -> Order:
    """Run the race on a batch of its own; which, in which order, with which results."""
    batch_id = uuid4()
    if race.slots:
        succeeds(outbox_school.handle(connection, registration(race.slots, batch_id)))
    execution: Execution = trio.run(race.transactions(batch_id), race.stops, pick)
    return batch_id, execution.taken, execution.results


def verify(connection: Connection, race: Race, orders: Sequence[Order]) -> None:
    """Every batch is as the rules say, and as the results of the transactions."""
    found = assert_batch_rules(connection)
    for batch_id, taken, results in orders:
        try:
            agree(race, batch_id, found.get(str(batch_id)), results)
        except AssertionError as fault:
            fault.add_note(f"order {taken}, results {results}, {found.get(str(batch_id))}")
            raise


def agree(
    race: Race, batch_id: UUID, record: BatchRecord | None, results: Sequence[Sequence[object]]
) -> None:
    """Committed results are in the tables; each thing was new for exactly one."""
    new: Counter[str] = Counter()
    for transaction, answers in zip(race.transactions(batch_id), results, strict=True):
        if not transaction.commits:
            continue
        for command, result in zip(transaction.works, answers, strict=True):
            assert record is not None
            match command, result:
                case ProvisionContent(text_storage_id=name), ContentResult():
                    kept = record.content[name]
                    assert result.status == "pending" or kept == (result.status, result.essay_id)
                    new[name] += result.created
                case RecordValidationFailure(file_upload_id=name), FailureResult():
                    kept = record.failures[name]
                    assert result.status == "pending" or kept == (result.status, result.essay_id)
                    new[name] += result.created
                case RegisterBatch(), BatchResult():
                    # One that was registered before is new for nobody.
                    new["the batch"] += result.created + bool(race.slots)
                case RegisterBatch(), Refused(code=ErrorCode.BATCH_CONFLICT):
                    new["the batch"] += 0
                case _:
                    raise AssertionError(result)
    assert set(new.values()) <= {1}
