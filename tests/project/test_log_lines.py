"""docs/operations.md names every line that the program logs, and none that it does not."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest

from tests.project.log_calls import names
from tests.project.tree import ROOT, files

TEXT: Final = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION: Final = TEXT.partition("## Log lines")[2].partition("\n## ")[0]
NAME: Final = re.compile(r"[a-z]+(_[a-z]+)*")
FOREIGN: Final = "librdkafka"
"""What librdkafka says goes through under one name, in its own words."""


@pytest.fixture(scope="module")
def logged() -> set[str]:
    """The names of all lines of the program."""
    sources = [path for path in files(".py") if path.relative_to(ROOT).parts[0] == "outbox_worker"]
    assert sources
    return set().union(*(names(ast.parse(path.read_text())) for path in sources)) - {FOREIGN}


def documented() -> set[str]:
    """Those of the table, and those that only OUTBOX_LOG_LEVEL=debug shows."""
    rows = [row.split("|")[1] for row in SECTION.splitlines() if row.startswith("| `")]
    debug = re.search(r"`OUTBOX_LOG_LEVEL=debug` adds (.+?)\.\s", SECTION, re.DOTALL)
    assert debug is not None
    return {name for text in [*rows, debug[1]] for name in re.findall(r"`(\w+)`", text)}


def test_every_line_has_a_name_that_can_be_looked_for(logged: set[str]) -> None:
    assert [name for name in logged if not NAME.fullmatch(name)] == []
    assert len(logged) > 40


def test_every_line_is_there(logged: set[str]) -> None:
    assert logged - documented() == set()


def test_no_line_is_there_that_is_never_logged(logged: set[str]) -> None:
    assert documented() - logged == set()
