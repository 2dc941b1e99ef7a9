"""`outbox-worker doctor` as a process: its words, its exit code, its time, and no trace of it."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from outbox_worker.doctor import report
from outbox_worker.doctor.checks import CHECKS
from outbox_worker.doctor.examine import Result
from outbox_worker.doctor.finding import Finding, Level, failed, passed, skipped
from outbox_worker.postgres.migrations import ENGINE
from tests.cli.conftest import run_command
from tests.doctor.conftest import NOWHERE
from tests.harness.waiting import patient
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"
ANSWER_S: Final = 15.0
COLUMNS: Final = 100
ROWS: Final = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \|", re.MULTILINE)


def as_json(url: str, bootstrap: str = NOWHERE, **settings: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what it says."""
    done = run_command(
        "doctor", "--json", database_url=url, kafka_bootstrap_servers=bootstrap, **settings
    )
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return done.returncode, found


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of one that lets everybody in and never says a word."""
    with socket.create_server((HOST, 0), backlog=100) as listening:
        yield listening.getsockname()[1]


def test_servers_that_never_answer_are_failures_within_fifteen_seconds() -> None:
    with silent_server() as port:
        begun = time.monotonic()
        code, found = as_json(f"postgresql://me@{HOST}:{port}/orders", f"{HOST}:{port}")
        assert time.monotonic() - begun < patient(ANSWER_S)
    assert (code, found["verdict"], found["first"]) == (1, "fail", "postgres.reached")
    assert found["counts"] == {"pass": 0, "warn": 0, "fail": 2, "skipped": len(CHECKS) - 2}


def test_what_is_wrong_stands_in_the_first_line_with_the_line_that_mends_it(
    database: str,
) -> None:
    with psycopg.connect(database, autocommit=True) as link:
        link.execute(
            "DELETE FROM outbox.migration WHERE number = (SELECT max(number) FROM "
            "outbox.migration WHERE owner = 'outbox-worker') AND owner = 'outbox-worker'"
        )
    done = run_command("doctor", database_url=database, kafka_bootstrap_servers=NOWHERE)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("FAIL (2 fail")
    assert lines[0].endswith("postgres.schema: outbox-worker migrate")
    behind = len(ENGINE.migrations) - 1
    assert (
        f"  FAIL    schema: The tables of outbox-worker in the database are at {behind}"
        in done.stdout
    )
    assert "  pass    partitions: one for each day" in done.stdout
    assert max(map(len, lines)) <= COLUMNS


def test_wrong_settings_end_it_before_anything_is_looked_at() -> None:
    done = run_command("doctor", database_url="nonsense://x", kafka_bootstrap_servers=NOWHERE)
    assert done.returncode == 2
    assert run_command("doctor", database_url="postgresql://x").returncode == 2


def test_words_of_others_are_escaped_and_lines_to_run_can_be_copied() -> None:
    long = "kafka-topics.sh " + " ".join(f"--topic topic-{number}" for number in range(30))
    findings = (
        passed("x" * 300),
        failed("\x1b[2J" + "y" * 300, "do this\nand that", long, "GRANT a TO b;"),
        *[skipped("not seen: Kafka cannot be asked")] * 3,
    )
    results = [Result(*each) for each in zip(CHECKS, findings, strict=False)]
    text = report.as_text(results)
    assert "\x1b" not in text
    assert "\\u001b[2J" in text
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert text.count("not seen: Kafka cannot be asked") == 1
    shell = text[text.index("$ kafka-topics.sh") + 2 : text.index("> GRANT")]
    assert " ".join(shell.replace("\\\n", "").split()) == long


@pytest.mark.parametrize(
    ("levels", "verdict", "code"),
    [
        ((Level.PASS, Level.SKIPPED), Level.PASS, 0),
        ((Level.PASS, Level.WARN), Level.WARN, 0),
        ((Level.WARN, Level.FAIL), Level.FAIL, 1),
    ],
)
def test_the_verdict_is_the_worst_of_what_was_seen(
    levels: tuple[Level, ...], verdict: Level, code: int
) -> None:
    findings = [Finding(level, "seen", "remedy") for level in levels]
    results = [Result(*each) for each in zip(CHECKS, findings, strict=False)]
    assert report.verdict(results) is verdict
    assert report.as_text(results).startswith(verdict.name)
    assert report.exit_code(results) == code


def test_the_page_lists_every_check_and_no_other() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Doctor")[2].partition("\n## ")[0]
    assert ROWS.findall(section) == [each.name for each in CHECKS]


def test_the_page_describes_the_keys_of_json() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Doctor")[2].partition("\n## ")[0]
    found = report.as_json([Result(CHECKS[0], failed("seen", "remedy", "line"))])
    counts, checks = found["counts"], found["checks"]
    assert isinstance(counts, dict)
    assert isinstance(checks, list)
    keys = {*found, *counts, *checks[0]}
    assert {key for key in keys if f"`{key}`" not in section} == set()
    assert len(keys) == 4 + 4 + 6
