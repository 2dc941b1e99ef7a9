"""What the pages name exists: files, targets of make, commands, settings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import outbox_worker
from outbox_school.settings import SchoolSettings
from outbox_worker.settings import Settings
from tests.project.documents import FENCE, RUNNABLE, SHOWN, WORDS, blocks, code, links, pages
from tests.project.tree import ROOT, clean_environment, files, name

PAGES = pages()
NAMES = [name(page) for page in PAGES]
README_LINES = 120
NAMED = re.compile(r"`([\w*/.-]+(?:\.py|\.sql|/))`")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in links(read(page)) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_blocks_are_marked_so_that_none_escapes_the_tests(page: Path) -> None:
    odd = [
        f"line {block.line}: {block.language or 'no language'} {' '.join(block.words)}"
        for block in blocks(read(page))
        if block.language not in RUNNABLE | SHOWN or not block.words <= WORDS
    ]
    assert odd == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_targets_of_make_exist(page: Path) -> None:
    named = set(re.findall(r"^(?:\$ )?make ([a-z]+)", code(read(page)), re.MULTILINE))
    makefile = re.search(r"^\.PHONY: (.*)$", read(ROOT / "Makefile"), re.MULTILINE)
    assert makefile
    assert named - set(makefile[1].split()) == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_settings_exist(page: Path) -> None:
    named = set(re.findall(r"\bOUTBOX_[A-Z_]+[A-Z]\b", read(page)))
    fields = [*Settings.model_fields, *SchoolSettings.model_fields]
    settings = {f"OUTBOX_{field.upper()}" for field in fields}
    elsewhere = "".join(map(read, [*files(".py"), ROOT / "Makefile", ROOT / ".ci" / "run"]))
    assert [unknown for unknown in named - settings if unknown not in elsewhere] == []


def test_commands_exist() -> None:
    every = "\n".join(code(read(page)) for page in PAGES)
    named = set(re.findall(r"^(?:.* )?outbox-worker ([a-z][a-z-]*)\b(?!=)", every, re.MULTILINE))
    command = Path(sys.executable).parent / "outbox-worker"
    unknown = {
        sub
        for sub in named
        if subprocess.run(
            [command, sub, "--help"], env=clean_environment(), capture_output=True, check=False
        ).returncode
    }
    assert unknown == set()


def nowhere(page: str) -> list[str]:
    """The files and folders that a page names as code, and that are not there.

    A name is looked for from the root on, in `outbox_worker/`, and, within one paragraph, item or
    row, in the folder of the name before it.
    """
    found = []
    for passage in re.split(r"\n(?=\||- |\d+\. |\n)", FENCE.sub("", page)):
        places = [ROOT, ROOT / "outbox_worker"]
        for path in NAMED.findall(passage):
            hits = [hit for place in places for hit in place.glob(path.rstrip("/"))]
            if not hits:
                found.append(path)
            elif "/" in path:
                places[2:] = [hits[0] if path.endswith("/") else hits[0].parent]
    return found


def test_the_files_that_the_architecture_names_exist() -> None:
    page = read(ROOT / "ARCHITECTURE.md")
    assert len(NAMED.findall(page)) > 100
    assert nowhere(page) == []


def test_the_modules_that_the_protocol_names_exist() -> None:
    essay = ast.get_docstring(ast.parse(read(ROOT / "outbox_worker" / "relay" / "__init__.py")))
    named = set(re.findall(r"(?<![`\w])`([a-z_]+)`(?![`\w])", essay or "")) - {"read_committed"}
    modules = {path.stem for path in (ROOT / "outbox_worker" / "relay").glob("*.py")}
    assert len(named) > 5
    assert named - modules == set()


def test_readme_stays_short() -> None:
    assert read(ROOT / "README.md").count("\n") <= README_LINES


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    written = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert links(read(folder / "README.md")) == written
    numbers = [int(found.partition("-")[0]) for found in written]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_decision_says_why_what_was_rejected_and_when_to_look_again() -> None:
    wanted = ("## Decision", "## Why", "## Rejected", "## Look again when")
    for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md"):
        assert [part for part in wanted if part not in read(page)] == [], page.name


def test_changelog_begins_with_what_is_not_released_or_with_this_version() -> None:
    newest = re.search(r"^## \[(.+?)\]", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert newest
    assert newest[1] in {"Unreleased", outbox_worker.__version__}
