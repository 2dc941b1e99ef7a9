"""Run each writer on a Postgres with the schema, and look at what stands in the tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from outbox_worker.local.postgres import PostgresServer
from tests.drivers.languages import FOLDER, LANGUAGES, Language, Program
from tests.harness.databases import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_S: Final = 900.0
RUN_S: Final = 120.0
BUILT: Final = shutil.ignore_patterns("node_modules", "target", "jars")

EVENTS: Final = """
    SELECT topic, key, type, content_type, headers,
           CASE content_type WHEN 'application/json'
                THEN convert_from(payload, 'UTF8')::jsonb END,
           CASE content_type WHEN 'application/json' THEN NULL ELSE payload END
    FROM outbox.event ORDER BY id"""
COMMANDS: Final = "SELECT type, key, actor, status, payload FROM outbox.command"

ORDER: Final = {"total": 10, "note": 'å \\ " \n'}
CLASS: Final = {"name": "9A", "course_codes": ["ENG5"]}
WANTED_EVENTS: Final = (
    (
        *("orders", "order-1", "order.placed", "application/json"),
        *({"traceparent": "00-ab"}, ORDER, None),
    ),
    (
        *("orders", "order-1", "order.scanned", "application/x-protobuf"),
        *(None, None, b"\x00\x01\xfe{"),
    ),
)
WANTED_COMMANDS: Final = (("CreateClass", "teacher-1", "teacher-1", "queued", CLASS),)


def call(command: tuple[str, ...], folder: Path, seconds: float, **more: str) -> str:
    """What went wrong with the command; empty where nothing did."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)}: not done after {seconds:.0f} s"
    if done.returncode == 0:
        return ""
    return (
        f"{' '.join(command)}: exit code {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}"
    )


def try_out(program: Program, folder: Path, server: PostgresServer) -> str:
    """What the program did wrong in a new database; empty where nothing."""
    name = make_database(server)
    writer = server.url(name, user="shop")
    jdbc = f"jdbc:postgresql://127.0.0.1:{server.port}/{name}?user=shop"
    plain = f"{writer}?sslmode=disable"
    if wrong := call(program.command, folder, RUN_S, WRITER_URL=plain, WRITER_JDBC_URL=jdbc):
        return wrong
    with psycopg.connect(server.url(name)) as link:
        events, commands = link.execute(EVENTS).fetchall(), link.execute(COMMANDS).fetchall()
    if tuple(events) != WANTED_EVENTS:
        return f"events in the table:\n{events}\nwanted:\n{WANTED_EVENTS}"
    if tuple(commands) != WANTED_COMMANDS:
        return f"commands in the table:\n{commands}\nwanted:\n{WANTED_COMMANDS}"
    return ""


def outcomes(language: Language, server: PostgresServer) -> Iterator[tuple[str, str]]:
    """Each program's library, and what is wrong with it."""
    names = [program.library for program in language.programs]
    if missing := [tool for tool in language.tools if shutil.which(tool) is None]:
        yield from ((name, f"not run: no {', '.join(missing)} in the PATH") for name in names)
        return
    with tempfile.TemporaryDirectory(prefix="outbox-drivers-") as scratch:
        folder = Path(scratch) / language.folder
        shutil.copytree(FOLDER / language.folder, folder, ignore=BUILT)
        for command in language.build:
            if wrong := call(command, folder, BUILD_S):
                yield from ((name, wrong) for name in names)
                return
        for program in language.programs:
            yield program.library, try_out(program, folder, server)


def main(wanted: list[str]) -> int:
    """Run the named languages (none named: all); the exit code."""
    failed = 0
    with PostgresServer() as server:
        make_database(server)  # Makes the roles of the server.
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE ROLE shop LOGIN IN ROLE outbox_writer")
        for language in LANGUAGES:
            if wanted and language.folder not in wanted:
                continue
            for library, wrong in outcomes(language, server):
                failed += bool(wrong)
                sys.stdout.write(f"{library}: {wrong or 'ok'}\n")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
