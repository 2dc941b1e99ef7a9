"""The commands of README.md do what it says they do (marks: see `documents`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import psycopg
import pytest

from tests.harness.waiting import patient
from tests.project.documents import Block, blocks
from tests.project.tree import ROOT, clean_environment, copy

README = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
# The first `make` sets up an environment over the network.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]


class Servers(TypedDict):
    """The settings of a worker whose servers are up and whose schema is there."""

    OUTBOX_DATABASE_URL: str
    OUTBOX_KAFKA_BOOTSTRAP_SERVERS: str


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a newcomer has after `git clone`."""
    return copy(tmp_path_factory.mktemp("newcomer") / "outbox-worker")


@pytest.fixture(scope="module")
def servers(migrated_database_url: str, kafka_bootstrap_servers: str) -> Servers:
    """What the page tells its reader to set."""
    return {
        "OUTBOX_DATABASE_URL": migrated_database_url,
        "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
    }


@pytest.fixture
def reader(block: Block, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of the person who follows the page."""
    if not block.wants_servers:
        return clean_environment()
    ours: Servers = request.getfixturevalue("servers")
    installed = Path(sys.executable).parent
    return clean_environment(**ours) | {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}"}


def finish(process: subprocess.Popen[bytes]) -> None:
    """Stop what a block left running in the background."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def run(command: list[str], folder: Path, environment: dict[str, str], log: Path) -> int:
    """The exit code of the command, whose process group is ended with it.

    Its output goes to a file: a pipe would stay open as long as a job in the background.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait()
        finally:
            finish(process)


@pytest.mark.parametrize(
    "block",
    [block for block in README if block.runs],
    ids=lambda block: f"line {block.line}: {block.language}",
)
def test_block_of_the_readme_works(
    block: Block, clone: Path, reader: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "output"
    match block.language:
        case "sh":
            status = run(["bash", "-euo", "pipefail", "-c", block.text], clone, reader, log)
            assert status == 0, log.read_text(encoding="utf-8")
        case "python":
            status = run([sys.executable, "-W", "error", "-c", block.text], clone, reader, log)
            assert status == 0, log.read_text(encoding="utf-8")
        case _:
            with psycopg.connect(reader["OUTBOX_DATABASE_URL"]) as connection:
                connection.execute(block.text.encode())


def test_blocks_that_are_only_shown_are_at_least_scripts() -> None:
    shown = [block for block in README if block.language == "sh" and not block.runs]
    wrong = {
        block.line
        for block in shown
        if subprocess.run(["bash", "-n", "-c", block.text], check=False).returncode
    }
    assert wrong == set()
