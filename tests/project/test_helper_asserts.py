"""A failed assert of a helper shows its values (`tests.plugins.helper_asserts`)."""

from __future__ import annotations

import ast
import json
from importlib import import_module
from typing import TYPE_CHECKING, Final

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

from tests.domain.payloads import VALID, fault
from tests.plugins.helper_asserts import TESTS

if TYPE_CHECKING:
    from pathlib import Path


def asserts(path: Path) -> bool:
    """Whether the module has an assert."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


HELPERS: Final = sorted(
    ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)
    for path in TESTS.rglob("*.py")
    if not path.name.startswith("test_") and path.stem not in {"conftest", "__main__"}
    if asserts(path)
)


def test_there_are_helpers_with_asserts() -> None:
    assert len(HELPERS) > 15


@pytest.mark.parametrize("module", HELPERS)
def test_asserts_of_a_helper_are_rewritten(module: str) -> None:
    spec = import_module(module).__spec__
    assert spec is not None
    assert isinstance(spec.loader, AssertionRewritingHook)


def test_a_failed_assert_of_a_helper_shows_its_values() -> None:
    with pytest.raises(AssertionError, match=r"isinstance.*CreateClass"):
        fault("CreateClass", json.dumps(VALID["CreateClass"]))
