"""One function for one statement: `stores/folder.py::stem` is `sql/folder/stem.sql`."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
