"""What is installed is what is pinned, and what is pinned is what is needed."""

from __future__ import annotations

import re
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.tree import ROOT

PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[0-9][0-9a-z.]*)")


def lines() -> list[str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pinned() -> dict[str, str]:
    pins = [match for line in lines() if (match := PIN.fullmatch(line))]
    return {pin["name"]: pin["version"] for pin in pins}


def needed() -> dict[str, str]:
    """Name and installed version of all that the project with the extra `dev` asks for."""
    found: dict[str, str] = {}
    todo = [Requirement("outbox-worker[dev]")]
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
            or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *asked.extras))
        ]
    del found["outbox-worker"]
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
        for name, version in needed().items()
        if pins.get(name) != version
    }
    assert differing == {}


def test_nothing_is_pinned_that_nothing_needs() -> None:
    assert set(pinned()) - set(needed()) == set()


def test_lower_bounds_admit_the_pinned_versions() -> None:
    pins = pinned()
    refused = [
        str(wanted)
        for wanted in map(Requirement, metadata.requires("outbox-worker") or [])
        if wanted.name != "outbox-worker"
        and not wanted.specifier.contains(pins[canonicalize_name(wanted.name)])
    ]
    assert refused == []
