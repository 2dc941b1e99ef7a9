"""No text sends anybody to a package that is not ours: another program is called outbox-worker."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Final

import pytest
from packaging.utils import canonicalize_name

from tests.project.tree import ROOT, files, name

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

INSTALL: Final = re.compile(
    r"\b(?:pip3?|uv pip) (?:install|download|wheel) +\"?(?P<pip>[^`\n&|;)\"]*)"
    r"|\b(?:pipx (?:install|run)|uvx|uv (?:add|tool (?:install|run))) +\"?(?P<tool>[^`\n&|;)\"]*)"
)
PACKAGE: Final = re.compile(r"^['\"]?(?P<name>[A-Za-z][A-Za-z0-9._-]*)(?:\[[\w,]+\])?")
WITH_EXTRA: Final = re.compile(
    r"(?<![\w/.-])(?P<name>[\w-]*outbox[_-]worker)\[\w+\]", re.IGNORECASE
)
TAKES_A_VALUE: Final = frozenset({"-c", "-r", "--constraint", "--requirement", "--wheel-dir"})


def packages(text: str) -> Iterator[str]:
    """The names of packages that a text tells its reader, or a program, to install."""
    for order in INSTALL.finditer(text):
        words = (order["pip"] or order["tool"] or "").split()
        for before, word in zip(["", *words], words, strict=False):
            found = PACKAGE.match(word)
            if found and before not in TAKES_A_VALUE:
                yield canonicalize_name(found["name"])
    for asked in WITH_EXTRA.finditer(text):
        yield canonicalize_name(asked["name"])


def pinned() -> set[str]:
    """The packages of others that the project installs."""
    listed = [ROOT / "constraints.txt", ROOT / ".ci" / "tools.txt"]
    lines = [line for file in listed for line in file.read_text(encoding="utf-8").splitlines()]
    return {line.partition("==")[0] for line in lines if "==" in line}


def test_every_package_that_a_text_names_is_ours_or_pinned() -> None:
    ours = canonicalize_name(PROJECT["name"])
    strangers = {
        f"{name(path)}: {package}"
        for path in files()
        # Changes tell of names that were; findings install what they look into.
        if path.parts[-2] != "findings"
        and path.suffix not in {".lock", ".crc", ".json"}
        and path.name not in {"CHANGELOG.md", "test_package_names.py"}
        for package in packages(path.read_text(encoding="utf-8"))
        if package != ours and package not in pinned()
    }
    assert strangers == set()


@pytest.mark.parametrize(
    "text",
    [
        "pip install -c constraints.txt --quiet outbox_worker",
        "Run: pip install 'outbox-worker==1.0'",
        "pipx run outbox-worker",
        "uvx outbox-worker",
        "uv tool install outbox-worker",
        'Requirement("Outbox-Worker[test]")',
    ],
)
def test_a_name_is_found_however_it_is_written(text: str) -> None:
    assert set(packages(text)) == {"outbox-worker"}


def test_files_and_options_are_no_packages() -> None:
    text = "pip install --require-hashes -r requirements.lock && pip install -e '.[dev]' ."
    assert list(packages(text)) == []


def test_command_and_import_name_stay() -> None:
    assert PROJECT["name"] == "kafka-outbox-worker"
    assert PROJECT["scripts"] == {"outbox-worker": "outbox_worker.cli:main"}
