"""The SQL of the benchmarks: files beside this one, as the product keeps its own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

WRITE_ONE: Final = Path(__file__).parent / "sql" / "write_one.sql"
"""The script that pgbench runs."""


@cache
def load(name: str) -> bytes:
    """The statement `bench/sql/<name>.sql`."""
    return files("bench").joinpath(f"sql/{name}.sql").read_bytes()
