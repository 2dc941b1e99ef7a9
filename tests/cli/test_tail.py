"""`outbox-worker tail` prints events as a subscriber gets them."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Stage

INSERT_BYTES: Final = (
    "INSERT INTO outbox.event (topic, key, type, payload) VALUES (%s, 'k', 'raw', '\\xff00')"
)
TOMBSTONE: Final = "SELECT outbox.publish(%s, 'k', 'gone', NULL::jsonb)"


def test_tail_prints_json_bytes_and_tombstones(stage: Stage) -> None:
    (first,) = stage.write("k")
    with psycopg.connect(stage.url, autocommit=True) as link:
        link.execute(INSERT_BYTES, (stage.topics[0],))
        link.execute(TOMBSTONE, (stage.topics[0],))
    stage.publish_all()
    done = stage.command("tail", stage.topics[0], "--from-beginning", "--max", "3")
    assert done.returncode == 0, done.stderr
    for words in ("order.placed", "key k", first, '"number": 0', "xff", "tombstone"):
        assert words in done.stdout
    done = stage.command("tail", stage.topics[0], "--from-beginning", "--max", "3", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["payload"] for line in lines] == [{"number": 0}, "ff00", None]
    assert lines[0]["id"] == first
    assert {line["key"] for line in lines} == {"k"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_tail_follows_until_a_signal(stage: Stage, tmp_path: Path, number: int) -> None:
    stage.write("before")
    stage.publish_all()
    stage.workers(1)
    output = tmp_path / "tail.out"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [COMMAND, "tail", stage.topics[0], "--json"],
            env=environment(stage.settings),
            stdout=sink,
        )
    try:
        # What is written before it looks is before its beginning: write until it sees one.
        wait_until(lambda: stage.write("after") and output.stat().st_size, 30, "an event is shown")
        process.send_signal(number)
        assert process.wait(patient(60)) == 0
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert {line["key"] for line in lines} == {"after"}


def test_tail_says_that_there_is_no_such_topic(stage: Stage) -> None:
    done = stage.command("tail", "no.such.topic")
    assert done.returncode == 3
    assert "There is no topic no.such.topic" in done.stderr
    assert "Traceback" not in done.stderr
