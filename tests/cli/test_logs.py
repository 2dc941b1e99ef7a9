"""Log lines: JSON for machines, coloured text for people, one for a change of state."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.machine_pauses import watched
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import CliCluster
    from tests.harness.machine_pauses import Calm

EVENTS: Final = 1_000
START_S: Final = 60.0
WRITE: Final = """
    SELECT outbox.publish(%s, 'key ' || n, 'order.placed', '{}'::jsonb)
    FROM generate_series(1, %s) AS n"""
SUBMIT: Final = """
    SELECT outbox.submit('CreateClass', 'key ' || n, '{}', 'teacher')
    FROM generate_series(1, %s) AS n"""
COUNT_QUEUED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'queued'"
NAME: Final = re.compile(r"\[\w+ *\] (\w+)")
COLOUR: Final = re.compile(r"\x1b\[\d+m")


@pytest.fixture
def calm(cluster: CliCluster) -> Iterator[Calm]:
    with watched(cluster.url) as calm:
        yield calm


def test_a_line_is_json_with_name_level_and_time(cluster: CliCluster, calm: Calm) -> None:
    (worker,) = cluster.workers(1)
    assert worker.stop() == 0
    lines = worker.lines()
    names = [line["event"] for line in lines]
    assert names[0] == "started"
    assert names[-1] == "stopped"
    assert "shards_assigned" in names
    assert calm.unexplained([line for line in lines if line["level"] != "info"]) == []
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_no_event_and_no_command_has_a_line_of_its_own(cluster: CliCluster, calm: Calm) -> None:
    worker = cluster.worker(create_topics="1:1", topic_prefix=f"{cluster.name}.")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(SUBMIT, (1,))
        wait_until(lambda: worker.said("topic_created"), START_S, "there is a topic of refusals")
        wait_until(lambda: cluster.waiting() == 0, START_S, "the first refusal is published")
        before = len(worker.lines())
        for _ in range(10):
            link.execute(WRITE, (cluster.topics[0], EVENTS // 10))
            link.execute(SUBMIT, (5,))
        wait_until(
            lambda: cluster.reads(cluster.topics[0]) == EVENTS, START_S, "all events are published"
        )
        wait_until(
            lambda: link.execute(COUNT_QUEUED).fetchone() == (0,), START_S, "no command waits"
        )
    assert calm.unexplained(worker.lines()[before:]) == []


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the person's, the program's."""
    ends = pty.openpty()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        os.close(end)


def test_a_person_at_a_terminal_reads_coloured_text(
    cluster: CliCluster, calm: Calm, terminal: tuple[int, int]
) -> None:
    person, program = terminal
    seen = bytearray()

    def reads(word: str) -> bool:
        with suppress(BlockingIOError):
            seen.extend(os.read(person, 65_536))
        return word in COLOUR.sub("", seen.decode())

    with subprocess.Popen(
        [COMMAND, "run"], env=environment(cluster.settings), stderr=program
    ) as process:
        wait_until(lambda: reads("shards_assigned"), START_S, "it says that it works")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: reads("stopped"), START_S, "it says that it has stopped")
        assert process.wait(patient(60)) == 0
    text = seen.decode()
    assert COLOUR.search(text)
    assert "{" not in text, "no JSON"
    loud = [line for line in COLOUR.sub("", text).splitlines() if "[info" not in line]
    said = [{"event": name[1] if (name := NAME.search(line)) else line} for line in loud]
    assert calm.unexplained(said) == []
