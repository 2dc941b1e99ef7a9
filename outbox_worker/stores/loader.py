"""Loads hand-written SQL: every statement is a file, and this knows no table.

A statement's first line is its name as a comment. It travels to the server, so
that `pg_stat_activity`, the slow log and our own logs all say `outbox/read_tail`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FOLDER: Final = "sql"
MIGRATIONS: Final = "migrations"
NUMBERED: Final = re.compile(r"(\d{4})_(\w+)\.sql")
INDEX: Final = re.compile(r"^--.*\bindex:\s*([\w, ]+?)\s*(?:transaction:|$)", re.MULTILINE)
ROLES: Final = re.compile(r"^-- roles: ([\w, ]+)$", re.MULTILINE)
MAKES_SCHEMA: Final = re.compile(r"^CREATE SCHEMA (\w+);", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema; `checksum` is SHA-256 of its text.

    `body` is what the server gets: every encoding that a database may have holds it.
    """

    number: int
    name: str
    body: bytes
    checksum: str

    @override
    def __str__(self) -> str:
        """As people read it: `0001_events`."""
        return f"{self.number:04}_{self.name}"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that it makes or grants something to, as its line `-- roles: a, b` says."""
        return tuple(
            role.strip() for named in ROLES.findall(self.body.decode()) for role in named.split(",")
        )

    @property
    def schemas(self) -> tuple[str, ...]:
        """The schemas that it makes."""
        return tuple(MAKES_SCHEMA.findall(self.body.decode()))


class Statements:
    """The SQL files of a package, in its folder `sql`; each is read once.

    `sql/<folder>/<stem>.sql` is the statement `folder/stem`, and that name is its first line, as
    a comment. `sql/migrations/NNNN_name.sql` are the migrations, numbered from 0001.
    """

    def __init__(self, package: str) -> None:
        """Of the package of this name, which can be imported."""
        self._package = package
        self._loaded: dict[str, bytes] = {}

    def load(self, name: str) -> bytes:
        """The statement `folder/stem` as it stands in its file.

        `FileNotFoundError` where there is none, `ValueError` where its first line is
        not its name.
        """
        body = self._loaded.get(name)
        if body is None:
            body = self._root.joinpath(f"{name}.sql").read_bytes()
            if body.partition(b"\n")[0] != f"-- {name}".encode():
                raise ValueError(f"the first line of {FOLDER}/{name}.sql is not its name")
            self._loaded[name] = body
        return body

    def names(self) -> tuple[str, ...]:
        """All statements, sorted; migrations are none."""
        return tuple(
            sorted(
                f"{folder.name}/{entry.name.removesuffix('.sql')}"
                for folder in self._root.iterdir()
                if folder.is_dir() and folder.name != MIGRATIONS
                for entry in folder.iterdir()
                if entry.name.endswith(".sql")
            )
        )

    def index_of(self, name: str) -> tuple[str, ...]:
        """The indexes that the header of a statement says it must use, if any."""
        found = INDEX.search(self.load(name).decode())
        return tuple(each.strip() for each in found.group(1).split(",")) if found else ()

    @cached_property
    def migrations(self) -> tuple[Migration, ...]:
        """All in order; `ValueError` where a number is missing or a name is malformed."""
        folder = self._root.joinpath(MIGRATIONS)
        entries = folder.iterdir() if folder.is_dir() else ()
        found = sorted(
            (_migration(entry) for entry in entries if entry.name.endswith(".sql")),
            key=lambda each: each.number,
        )
        numbers = [each.number for each in found]
        if numbers != list(range(1, len(found) + 1)):
            raise ValueError(f"migrations are not numbered from 1 without a gap: {numbers}")
        return tuple(found)

    @property
    def _root(self) -> Traversable:
        return files(self._package).joinpath(FOLDER)


def _migration(entry: Traversable) -> Migration:
    parts = NUMBERED.fullmatch(entry.name)
    if parts is None:
        raise ValueError(f"a migration is named NNNN_name.sql, not {entry.name}")
    text = entry.read_bytes()
    # Letters beyond ASCII stand in comments alone, as a test sees.
    body = text.decode().encode("ascii", "replace")
    return Migration(int(parts[1]), parts[2], body, hashlib.sha256(text).hexdigest())


sql: Final = Statements("outbox_worker")
"""The engine's."""
