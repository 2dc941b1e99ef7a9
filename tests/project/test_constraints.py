"""What is installed is what is pinned, and what is pinned is what is needed, with its hashes."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME: Final[str] = PROJECT["name"]
IMAGE: Final = {
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
    "extra": "",
}
"""What a marker sees in the container image, besides the version of its Python."""
LOCKED: Final = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][0-9a-z.]*)"
    r"(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)
PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][0-9a-z.]*)")


def lines() -> list[str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pinned() -> dict[str, str]:
    pins = [match for line in lines() if (match := PIN.fullmatch(line))]
    return {pin["name"]: pin["version"] for pin in pins}


def locked(file: str) -> dict[str, str]:
    """The pins of a file with hashes."""
    text = (ROOT / file).read_text(encoding="utf-8")
    listed = "".join(line for line in text.splitlines(keepends=True) if line[0] != "#")
    assert LOCKED.sub("", listed) == "", "each is a name, a version, and one hash or more"
    return {pin["name"]: pin["version"] for pin in LOCKED.finditer(listed)}


def python_of_the_image() -> str:
    """Major and minor version."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^ARG PYTHON_IMAGE=python:(\d+\.\d+)\.", dockerfile, re.MULTILINE)
    return str(version)


def needed(*requirements: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Name and installed version of all that these ask for: here, or where a marker sees that."""
    found: dict[str, str] = {}
    todo = list(map(Requirement, requirements))
    seen: set[str] = set()
    while todo:
        asked = todo.pop()
        if str(asked) in seen:
            continue
        seen.add(str(asked))
        installed = metadata.distribution(asked.name)
        found[canonicalize_name(asked.name)] = installed.version
        todo += [
            wanted
            for wanted in map(Requirement, installed.requires or [])
            if wanted.marker is None
            or any(
                wanted.marker.evaluate((environment or {}) | {"extra": extra})
                for extra in ("", *asked.extras)
            )
        ]
    found.pop(NAME, None)
    return found


def test_every_line_is_a_name_and_a_version_and_nothing_else() -> None:
    assert [line for line in lines() if not PIN.fullmatch(line)] == []


def test_pins_are_sorted_and_unique() -> None:
    names = [line.partition("==")[0] for line in lines()]
    assert names == sorted(set(names))


def test_installed_packages_are_the_pinned_ones() -> None:
    pins = pinned()
    differing = {
        name: f"installed {version}, pinned {pins.get(name, 'not at all')}"
        for name, version in needed(f"{NAME}[dev]").items()
        if pins.get(name) != version
    }
    assert differing == {}


def test_nothing_is_pinned_that_nothing_needs() -> None:
    assert set(pinned()) - set(needed(f"{NAME}[dev]")) == set()


def test_lower_bounds_admit_the_pinned_versions() -> None:
    pins = pinned()
    refused = [
        str(wanted)
        for wanted in map(Requirement, metadata.requires(NAME) or [])
        if wanted.name != NAME
        and not wanted.specifier.contains(pins[canonicalize_name(wanted.name)])
    ]
    assert refused == []


@pytest.mark.parametrize(
    ("package", "version"),
    [("confluent-kafka", "2.13.1")],  # It keeps the headers of every record in memory.
)
def test_no_lower_bound_admits_a_version_with_a_known_fault(package: str, version: str) -> None:
    wanted = map(Requirement, PROJECT["dependencies"])
    (of_package,) = [each for each in wanted if each.name == package]
    assert not of_package.specifier.contains(version)


@pytest.mark.parametrize(
    ("file", "requirements"),
    [("requirements.lock", [NAME]), ("requirements-build.lock", ["hatchling", "editables"])],
)
def test_image_installs_what_is_needed_at_the_pinned_versions_by_hash(
    file: str, requirements: Iterable[str]
) -> None:
    python = python_of_the_image()
    image = IMAGE | {"python_version": python, "python_full_version": f"{python}.0"}
    names = needed(*requirements, environment=image)
    assert locked(file) == {name: pinned()[name] for name in names}


def test_tools_outside_the_environment_are_pinned() -> None:
    text = (ROOT / ".ci" / "tools.txt").read_text(encoding="utf-8")
    listed = [line for line in text.splitlines() if not line.startswith("#")]
    assert listed == sorted(listed)
    assert [line for line in listed if not PIN.fullmatch(line)] == []
    scripts = "".join(
        (ROOT / ".ci" / script).read_text(encoding="utf-8") for script in ("lock", "sbom", "audit")
    )
    used = re.findall(r"-c \.ci/tools\.txt ([\w-]+)$", scripts, re.MULTILINE)
    assert sorted(used) == [line.partition("==")[0] for line in listed]
