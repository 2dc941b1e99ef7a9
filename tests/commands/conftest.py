"""Executors of tests share their session with the test: no group ends it."""

from __future__ import annotations

from typing import Final

import pytest

from outbox_worker.commands import group

NEVER_MS: Final = 3_600_000


@pytest.fixture(autouse=True)
def _patient_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a group in this process has all the time that it needs."""
    for name in ("LOCK_MS", "STATEMENT_MS", "TRANSACTION_MS"):
        monkeypatch.setattr(group, name, NEVER_MS)
