"""A failed assert of a helper shows its values, as one of a test does.

pytest rewrites the asserts of `test_*.py` and `conftest.py` by itself; other modules must be
registered before they are imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parents[1]
PACKAGES: Final = sorted(
    f"tests.{init.parent.name}"
    for init in TESTS.glob("*/__init__.py")
    if init.parent.name != "plugins"
)
"""The packages of tests; this one is imported already."""

pytest.register_assert_rewrite(*PACKAGES)
