"""Transactional outbox: events committed in Postgres reach Kafka exactly once.

A service calls `publish` and `submit` in its own transaction of psycopg; docs/writers.md has
the same for other drivers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outbox_worker.postgres.writer import publish, submit

__all__ = ["__version__", "publish", "submit"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import what a service calls when it is asked for: the worker needs none of it."""
    if name in {"publish", "submit"}:
        return getattr(importlib.import_module("outbox_worker.postgres.writer"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
