"""Purge, registration, texts and failures race for a few batch ids: nothing is left half."""

from __future__ import annotations

import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from outbox_school import commands, retention
from outbox_school.handle import handle
from outbox_school.stores import tally
from outbox_worker.commands.faults import is_contention
from outbox_worker.commands.sessions import OPTIONS
from outbox_worker.postgres import database as connections
from outbox_worker.purge import finished
from tests.harness.waiting import patient
from tests.retention.dataset import RecordedProgress, counted, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.stores import Connection

COMMAND_OPTIONS: Final[Mapping[str, str]] = {**OPTIONS, "deadlock_timeout": "50ms"}
THREADS: Final = 4
COMMANDS: Final = 250
BATCHES: Final = 6
SLOTS: Final = 3

ORPHANS: Final = b"""
    SELECT (SELECT count(*) FROM school.content WHERE status <> 'pending'
            AND NOT EXISTS (SELECT FROM school.batch WHERE batch_id = content.batch_id))
         + (SELECT count(*) FROM school.failure WHERE status <> 'pending'
            AND NOT EXISTS (SELECT FROM school.batch WHERE batch_id = failure.batch_id))"""
STRANDED: Final = b"""
    SELECT (SELECT count(*) FROM school.content JOIN school.batch USING (batch_id)
            WHERE status = 'pending')
         + (SELECT count(*) FROM school.failure JOIN school.batch USING (batch_id)
            WHERE status = 'pending')"""
MISMATCHED: Final = b"""
    SELECT count(*) FROM (SELECT batch_id, text_storage_id, essay_id FROM school.slot
                          WHERE status = 'assigned') AS slot
    FULL JOIN (SELECT batch_id, text_storage_id, essay_id FROM school.content
               WHERE status = 'assigned') AS content
    USING (batch_id, text_storage_id, essay_id)
    WHERE slot.* IS NULL OR content.* IS NULL"""
BATCHES_LEFT: Final = b"SELECT count(completed_at) FROM school.batch"
PURGED: Final = b"SELECT coalesce(sum(purged), 0) FROM school.batch_tally"
COMPLETIONS: Final = b"""
    SELECT count(*) FROM outbox.event WHERE type = 'batch.content.provisioning.completed.v1'"""


def random_command(rng: random.Random) -> commands.AnyCommand:
    """About one of a few batches and a few texts."""
    batch_id = uuid.UUID(int=rng.randrange(BATCHES))
    name = str(rng.randrange(2 * SLOTS))
    match rng.randrange(8):
        case 0 | 1:
            return commands.RegisterBatch(
                actor="teacher",
                batch_id=batch_id,
                user_id="teacher",
                course_code="ENG5",
                expected_essay_count=SLOTS,
            )
        case 2:
            return commands.RecordValidationFailure(
                actor="files",
                batch_id=batch_id,
                file_upload_id=f"bad {name}",
                original_file_name="essay.docx",
                validation_error_code="EMPTY_CONTENT",
            )
        case _:
            return commands.ProvisionContent(
                actor="files",
                batch_id=batch_id,
                text_storage_id=f"text {name}",
                file_upload_id=f"file {name}",
                original_file_name="essay.docx",
                file_size_bytes=1,
            )


def command(url: str, seed: str) -> None:
    """Carry out random commands, one transaction each; now and then one is rolled back."""
    rng = random.Random(seed)
    with connections.connect(url, application="commands", options=COMMAND_OPTIONS) as link:
        for _ in range(COMMANDS):
            wanted, rolled_back = random_command(rng), rng.random() < 0.1
            while not carried_out(link, wanted, force_rollback=rolled_back):
                pass


def carried_out(link: Connection, wanted: commands.AnyCommand, *, force_rollback: bool) -> bool:
    """As the executor does it: others that are in the way cost nothing but another try."""
    try:
        with link.transaction(force_rollback=force_rollback):
            handle(link, wanted)
    except psycopg.Error as error:
        if not is_contention(error):
            raise
        return False
    return True


def purge_all(link: Connection) -> None:
    """Purge as if every batch, text and failed file were old already."""
    order = finished.FinishedCutoff(
        datetime.now(UTC) + timedelta(days=1), retention.sweeps(("GUEST", "REGULAR"))
    )
    # New ones may come as fast as old ones go: some may stay.
    finished.run_once(link, order, RecordedProgress())


def purge(url: str, ended: threading.Event) -> int:
    """Purge and fold until the others are done; how often."""
    rounds = 0
    with connections.connect(url, application="purge", options=finished.OPTIONS) as link:
        while not ended.is_set():
            purge_all(link)
            tally.fold_tally(link, 5, 20_000)
            rounds += 1
    return rounds


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_row_belongs_to_a_batch_or_waits_for_one(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(retention, "CHUNK_BATCHES", 2)
    monkeypatch.setattr(retention, "CHUNK_EARLY", 2)
    ended = threading.Event()
    with ThreadPoolExecutor(THREADS + 2) as threads:
        purges = [threads.submit(purge, database, ended) for _ in range(2)]
        work = [threads.submit(command, database, f"{seed} {n}") for n in range(THREADS)]
        try:
            for each in work:
                each.result(patient(60))
        finally:
            ended.set()
        assert sum(each.result(patient(60)) for each in purges) > 2
    assert number(connection, ORPHANS) == 0
    assert number(connection, STRANDED) == 0
    assert number(connection, MISMATCHED) == 0
    purged = number(connection, PURGED)
    assert purged > 10
    assert number(connection, COMPLETIONS) == number(connection, BATCHES_LEFT) + purged
    for row in tally.list_tally(connection):
        assert (row.active, row.completed) == counted(connection, row.class_type)
