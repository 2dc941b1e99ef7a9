"""Loads hand-written SQL: every statement is a file, and this knows no table.

A statement's first line is its name as a comment. It travels to the server, so
that `pg_stat_activity`, the slow log and our own logs all say `outbox/read_tail`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MIGRATIONS: Final = "migrations"
NUMBERED: Final = re.compile(r"(\d{4})_(\w+)\.sql")
INDEX: Final = re.compile(r"^--.*\bindex:\s*([\w, ]+?)\s*(?:transaction:|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `checksum` is SHA-256 of its text.

    `body` is what the server gets: every encoding that a database may have holds it.
    """

    number: int
    name: str
    body: bytes
    checksum: str


@cache
def load(name: str) -> bytes:
    """The statement `folder/stem` as it stands in its file.

    `FileNotFoundError` where there is none, `ValueError` where its first line is
    not its name.
    """
    body = files(__name__).joinpath(f"{name}.sql").read_bytes()
    if body.partition(b"\n")[0] != f"-- {name}".encode():
        raise ValueError(f"the first line of sql/{name}.sql is not its name")
    return body


def names() -> tuple[str, ...]:
    """All statements, sorted; migrations are none."""
    return tuple(
        sorted(
            f"{folder.name}/{entry.name.removesuffix('.sql')}"
            for folder in files(__name__).iterdir()
            if folder.is_dir() and folder.name != MIGRATIONS
            for entry in folder.iterdir()
            if entry.name.endswith(".sql")
        )
    )


def index_of(name: str) -> tuple[str, ...]:
    """The indexes that the header of a statement says it must use, if any."""
    found = INDEX.search(load(name).decode())
    return tuple(each.strip() for each in found.group(1).split(",")) if found else ()


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations in order; `ValueError` where a number is missing or a name is malformed."""
    found = sorted(
        (
            _migration(entry)
            for entry in files(__name__).joinpath(MIGRATIONS).iterdir()
            if entry.name.endswith(".sql")
        ),
        key=lambda each: each.number,
    )
    numbers = [each.number for each in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations are not numbered from 1 without a gap: {numbers}")
    return tuple(found)


def _migration(entry: Traversable) -> Migration:
    parts = NUMBERED.fullmatch(entry.name)
    if parts is None:
        raise ValueError(f"a migration is named NNNN_name.sql, not {entry.name}")
    text = entry.read_bytes()
    # Letters beyond ASCII stand in comments alone, as a test sees.
    body = text.decode().encode("ascii", "replace")
    return Migration(int(parts[1]), parts[2], body, hashlib.sha256(text).hexdigest())
