"""A purge of many batches holds up no command, and itself stays small."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest

from outbox_school.stores import tally
from outbox_worker.postgres import database as connections
from tests.harness.control import Control
from tests.harness.waiting import patient
from tests.retention.concurrent_purge import purge_beside_commands
from tests.retention.dataset import counted, sizes
from tests.retention.load import Load

if TYPE_CHECKING:
    from pathlib import Path

LOAD: Final = Load(batches=5_000, slots=20, early=2_000, commands=5_000)
RATE: Final = 20.0
SLOWEST_S: Final = 1.0
MOST_MB: Final = 120.0


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(patient(600))
def test_no_command_waits_for_the_purge_of_100_000_slots(database: str, tmp_path: Path) -> None:
    with connections.connect(database, application="tests") as link:
        LOAD.write(link)
        with Control(database) as control:
            since = time.monotonic()
            figures = purge_beside_commands(database, LOAD.batches, tmp_path, RATE)
            slowest = control.stretched(SLOWEST_S, since, time.monotonic())
        assert figures.postponed == []
        # One of 1 s at most, where the machine lost nothing, is in no bucket that begins there.
        assert figures.longest_transaction_s[0] < slowest, figures
        assert figures.purge_mb < MOST_MB, figures
        assert figures.commands > 10, "hardly a command ran meanwhile"
        removed = figures.purged["removed"]
        assert (removed["GUEST batches"], removed["REGULAR batches"]) == (3_825, 225)
        assert removed["slots"] == 4_050 * 20
        assert sizes(link)["batch"] >= 950
        for row in tally.list_tally(link):
            assert (row.active, row.completed) == counted(link, row.class_type)
            assert row.purged == removed[f"{row.class_type} batches"]
            assert figures.shown["huleedu_batches_active", row.class_type] == row.active
            assert figures.shown["huleedu_batches_completed", row.class_type] == row.completed
            assert figures.shown["batches_purged_total", row.class_type] == row.purged
