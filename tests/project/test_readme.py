"""The commands of a newcomer's pages do what these say they do (marks: see `documents`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import psycopg
import pytest

from tests.harness.databases import make_database, make_empty_database
from tests.harness.waiting import patient
from tests.project.documents import Block, blocks
from tests.project.tree import ROOT, clean_environment, copy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.local.postgres import PostgresServer

PAGES = {
    name: blocks((ROOT / name).read_text(encoding="utf-8"))
    for name in ("README.md", "docs/your-own-events.md")
}
MAKE = {"README.md": make_database, "docs/your-own-events.md": make_empty_database}
"""Of what is made before the page begins: it may make the tables itself."""
BLOCKS = [(page, block) for page, each in PAGES.items() for block in each]
# The first `make` sets up an environment over the network.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]


class Servers(TypedDict):
    """The settings of a worker whose servers are up and whose schema is there."""

    OUTBOX_DATABASE_URL: str
    OUTBOX_KAFKA_BOOTSTRAP_SERVERS: str
    OUTBOX_GROUP: str


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a newcomer has after `git clone`."""
    return copy(tmp_path_factory.mktemp("newcomer") / "outbox-worker")


@pytest.fixture(scope="module")
def servers(postgres: PostgresServer, kafka_bootstrap_servers: str) -> Mapping[str, Servers]:
    """By page what it tells its reader to set; each has a database, and a group, of its own."""
    return {
        page: {
            "OUTBOX_DATABASE_URL": postgres.url(MAKE[page](postgres)),
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
            "OUTBOX_GROUP": f"outbox-worker-{number}",
        }
        for number, page in enumerate(PAGES)
    }


@pytest.fixture
def reader(page: str, block: Block, request: pytest.FixtureRequest) -> dict[str, str]:
    """The environment of the person who follows the page."""
    if not block.wants_servers:
        return clean_environment()
    ours: Servers = request.getfixturevalue("servers")[page]
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
    ("page", "block"),
    [
        pytest.param(page, block, id=f"{page}, line {block.line}: {block.language}")
        for page, block in BLOCKS
        if block.runs
    ],
)
def test_block_of_the_page_works(
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
    shown = [block for _, block in BLOCKS if block.language == "sh" and not block.runs]
    wrong = {
        block.line
        for block in shown
        if subprocess.run(["bash", "-n", "-c", block.text], check=False).returncode
    }
    assert wrong == set()
