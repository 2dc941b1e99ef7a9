"""A database, topics and the installed command around it, for each test of a command."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.harness.scene import Scene
from tests.harness.workers import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND_S: Final = 50.0


class Stage(Scene):
    """A scene on which commands are run beside its workers."""

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401  as text
        """Run a command to its end, with the scene's settings and these."""
        return run_command(*arguments, **{**self.settings, **settings})


def run_command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command to its end under these settings and no others."""
    return subprocess.run(
        [COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        env={**environment(settings), "COLUMNS": "200"},
    )


@pytest.fixture
def stage(database: str, kafka_bootstrap_servers: str, tmp_path: Path) -> Iterator[Stage]:
    """A database of its own, two topics (four and three partitions), no worker yet."""
    with Stage(database, kafka_bootstrap_servers, tmp_path) as scene:
        yield scene
