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

    from tests.cli.conftest import CliCluster

INSERT_BYTES: Final = (
    "INSERT INTO outbox.event (topic, key, type, payload) VALUES (%s, 'k', 'raw', '\\xff00')"
)
TOMBSTONE: Final = "SELECT outbox.publish(%s, 'k', 'gone', NULL::jsonb)"


def test_tail_prints_json_bytes_and_tombstones(cluster: CliCluster) -> None:
    (first,) = cluster.write("k")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(INSERT_BYTES, (cluster.topics[0],))
        link.execute(TOMBSTONE, (cluster.topics[0],))
    cluster.publish_all()
    done = cluster.command("tail", cluster.topics[0], "--from-beginning", "--max", "3")
    assert done.returncode == 0, done.stderr
    for words in ("order.placed", "key k", first, '"number": 0', "xff", "tombstone"):
        assert words in done.stdout
    done = cluster.command("tail", cluster.topics[0], "--from-beginning", "--max", "3", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["payload"] for line in lines] == [{"number": 0}, "ff00", None]
    assert lines[0]["id"] == first
    assert {line["key"] for line in lines} == {"k"}


ODD: Final = (
    b"[" * 20_000 + b"]" * 20_000,
    b"[" * 150 + b"]" * 150,
    b'"\\ud800"',
    b"NaN",
    b"1e999",
    b"9" * 5_000,
    b"\xff",
    b"\x1b[31m",
    b"",
    "no JSON, but å".encode(),
)
"""Payloads that writers may send as bytes."""

WRITE_ODD: Final = """
    INSERT INTO outbox.event (topic, key, type, payload)
    SELECT %s, 'k', 'odd', payload FROM unnest(%s::bytea[]) AS payload
"""


def test_tail_prints_whatever_a_writer_sent(cluster: CliCluster) -> None:
    topic = cluster.topics[0]
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(WRITE_ODD, (topic, list(ODD)))
    cluster.publish_all()
    read = ("tail", topic, "--from-beginning", "--max", str(len(ODD)))
    for settings in ({}, {"PYTHONIOENCODING": "ascii"}):
        done = cluster.command(*read, **settings)
        assert (done.returncode, done.stderr) == (0, "")
        done = cluster.command(*read, "--json", **settings)
        assert (done.returncode, done.stderr) == (0, "")
        payloads = [json.loads(line)["payload"] for line in done.stdout.splitlines()]
        assert payloads[0] == ODD[0].decode()
        assert payloads[2:4] == ['"\\ud800"', "NaN"]
        assert payloads[5:7] == ["9" * 5_000, "ff"]
        assert payloads[9] == "no JSON, but å"


def test_output_that_nobody_takes_ends_without_a_traceback(cluster: CliCluster) -> None:
    """A full disk, and a reader that went away."""
    cluster.write("k")
    cluster.publish_all()
    commands = (
        ("tail", cluster.topics[0], "--from-beginning", "--max", "1"),
        ("status",),
        ("status", "--json"),
        ("verify",),
        ("purge", "--older-than-days", "1", "--dry-run"),
    )
    for command in commands:
        with open("/dev/full", "wb") as full:  # noqa: PTH123  a device
            done = subprocess.run(
                [COMMAND, *command],
                check=False,
                env=environment(cluster.settings),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode == 1, command
        assert "error: The system refuses" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("topic", ["", "a b", "ä", "x" * 250, "a\udcff", "../a"])
def test_tail_refuses_what_can_be_no_topic(cluster: CliCluster, topic: str) -> None:
    done = cluster.command("tail", topic)
    assert done.returncode == 2
    assert "1 to 249 letters" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_tail_follows_until_a_signal(cluster: CliCluster, tmp_path: Path, number: int) -> None:
    cluster.write("before")
    cluster.publish_all()
    cluster.workers(1)
    output = tmp_path / "tail.out"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [COMMAND, "tail", cluster.topics[0], "--json"],
            env=environment(cluster.settings),
            stdout=sink,
        )
    try:
        # What is written before it looks is before its beginning: write until it sees one.
        wait_until(
            lambda: cluster.write("after") and output.stat().st_size, 30, "an event is shown"
        )
        process.send_signal(number)
        assert process.wait(patient(60)) == 0
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert {line["key"] for line in lines} == {"after"}


def test_tail_says_that_there_is_no_such_topic(cluster: CliCluster) -> None:
    done = cluster.command("tail", "no.such.topic")
    assert done.returncode == 3
    assert "There is no topic no.such.topic" in done.stderr
    assert "Traceback" not in done.stderr
