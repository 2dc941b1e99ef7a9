"""The programs of docs/writers.md run as they stand, and write what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.harness.waiting import patient
from tests.project.documents import blocks
from tests.project.tree import ROOT, clean_environment

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

PAGE: Final = (ROOT / "docs" / "writers.md").read_text(encoding="utf-8")
WITHOUT_PSYCOPG: Final = """
import sys
sys.modules["psycopg"] = None
"""
"""Django takes psycopg2 only where there is no psycopg."""

JSON_OF: Final = {
    "psycopg": "from psycopg.types.json import Jsonb",
    "psycopg2": "from psycopg2.extras import Json as Jsonb",
}
"""What a program of Django gets its JSON from."""

DJANGO: Final = """
import os
from django.conf import settings
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql",
    **{"HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]},
    **{"USER": os.environ["PGUSER"], "NAME": os.environ["PGDATABASE"]},
}})
"""

LIBRARIES: Final = [
    ("outbox_worker", "postgresql"),
    ("psycopg", "postgresql"),
    ("psycopg2", "postgresql"),
    ("asyncpg", "postgresql"),
    ("pg8000", "postgresql"),
    ("SQLAlchemy", "postgresql+psycopg"),
    ("SQLAlchemy", "postgresql+psycopg2"),
    ("SQLAlchemy", "postgresql+pg8000"),
    ("SQLAlchemy, asynchronous", "postgresql+asyncpg"),
    ("SQLAlchemy, asynchronous", "postgresql+psycopg"),
    ("Django", "postgresql"),
    ("Django", "postgresql+psycopg2"),
]


def program(library: str, scheme: str) -> str:
    """The one block of Python below the heading of this name, for this driver."""
    section = re.search(rf"^## {library}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section
    (block,) = [each for each in blocks(section[1]) if each.language == "python"]
    if library != "Django":
        return block.text
    if scheme != "postgresql+psycopg2":
        return DJANGO + block.text
    assert JSON_OF["psycopg"] in block.text
    assert JSON_OF["psycopg2"] in section[1]
    changed = block.text.replace(JSON_OF["psycopg"], JSON_OF["psycopg2"])
    return WITHOUT_PSYCOPG + DJANGO + changed


def test_every_program_of_the_page_is_run() -> None:
    written = [each for each in blocks(PAGE) if each.language == "python"]
    assert len(written) == len({library for library, _ in LIBRARIES})


@pytest.mark.parametrize(("library", "scheme"), LIBRARIES)
def test_a_program_of_the_page_writes_what_it_says(
    connection: Connection, database: str, library: str, scheme: str
) -> None:
    place = urlsplit(database)
    ours = {
        "DATABASE_URL": place._replace(scheme=scheme).geturl(),
        "PGHOST": place.hostname or "",
        "PGPORT": str(place.port),
        "PGUSER": place.username or "",
        "PGDATABASE": place.path[1:],
    }
    done = subprocess.run(
        [sys.executable, "-c", program(library, scheme)],
        env=clean_environment(**ours),
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events = connection.execute(
        "SELECT topic, key, type, payload, headers, content_type FROM outbox.event ORDER BY id"
    ).fetchall()
    place_of = ("orders", "order-1")
    assert events == [
        (*place_of, "order.placed", b'{"total": 10}', {"tenant": "a"}, "application/json"),
        (*place_of, "order.signed", b"\x00\x01", None, "application/octet-stream"),
    ]
    commands = connection.execute("SELECT type, key, payload, actor FROM outbox.command").fetchall()
    content = {"name": "7B", "course_codes": ["ENG5"]}
    assert commands == [("CreateClass", "teacher-1", content, "teacher-1")]
