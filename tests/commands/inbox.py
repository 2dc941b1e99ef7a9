"""What the tests of commands share: submitting, looking at rows, an executor of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from prometheus_client import CollectorRegistry

from outbox_school.school import school
from outbox_worker.commands.executor import Executor, ExecutorParts
from outbox_worker.commands.outcome import GroupDone, Idle, Succeeded
from outbox_worker.observe.commands import CommandMetrics
from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from outbox_worker.commands.floors import Floors
    from outbox_worker.commands.outcome import Outcome
    from outbox_worker.stores import Connection

PREFIX: Final = "huleedu."
TEACHER: Final = "teacher"
CLASS: Final = {"name": "7b", "course_codes": ["ENG5"]}

SUBMIT: Final = """
    SELECT outbox.submit(%(type)s, %(key)s, %(payload)s::text::jsonb, %(actor)s,
                         command_id => %(command_id)s, correlation_id => %(correlation_id)s)"""
FIND: Final = """
    SELECT status, result, error, failures, retry_at, finished_at
    FROM outbox.command WHERE command_id = %s"""
EVENTS: Final = """
    SELECT type, convert_from(payload, 'UTF8')::jsonb FROM outbox.event ORDER BY id"""

FILL: Final = """
    INSERT INTO outbox.command (type, key, actor, payload)
    SELECT 'CreateClass', {key}, 'teacher', '{{}}' FROM generate_series(1, {rows}) AS n"""
PAGES: Final = 60
"""Pages that one claim may touch: a few index look-ups."""


class Row(NamedTuple):
    """A command as the one who waits for it sees it, and what it went through."""

    status: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    failures: int
    retry_at: datetime | None
    finished_at: datetime | None


def submit(
    link: psycopg.Connection[Any],
    kind: str = "CreateClass",
    payload: object = CLASS,
    *,
    key: str = "key",
    command_id: UUID | None = None,
    correlation_id: UUID | None = None,
) -> UUID:
    """Queue a command of the teacher; its id. `payload` may be JSON text."""
    row = link.execute(
        SUBMIT,
        {
            "type": kind,
            "key": key,
            "payload": payload if isinstance(payload, str) else json.dumps(payload),
            "actor": TEACHER,
            "command_id": command_id,
            "correlation_id": correlation_id,
        },
    ).fetchone()
    assert row is not None
    found: UUID = row[0]
    return found


def fill(link: psycopg.Connection[Any], key: str, rows: int) -> None:
    """Queue commands by one statement; `key` is an expression over the number `n`."""
    link.execute("ALTER TABLE outbox.command SET (autovacuum_enabled = false)")
    link.execute(FILL.format(key=key, rows=rows).encode())


def costs(link: Connection, floors: Floors, after: str) -> tuple[int, str]:
    """Pages that a claim touches, and its plan."""
    order = b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql.load("command/claim_commands")
    way = json.dumps([each._asdict() for each in floors.way(after)])
    with link.transaction(force_rollback=True):
        row = link.execute(order, {"way": way, "server": floors.server, "most": 1}).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    assert plan["Actual Rows"] == 1
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], json.dumps(plan)


def look(link: psycopg.Connection[Any], command_id: UUID) -> Row:
    row = link.execute(FIND, (command_id,)).fetchone()
    assert row is not None
    return Row(*row)


def events(link: psycopg.Connection[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Type and payload of every event, in the order of their ids."""
    return link.execute(EVENTS).fetchall()


def new_parts(registry: CollectorRegistry, attempts: int = 5) -> ExecutorParts:
    """What executors of the school's commands share."""
    count = school.count_results(registry)
    return ExecutorParts(school, PREFIX, attempts, CommandMetrics(registry), count)


def new_executor(attempts: int = 5) -> tuple[Executor, CollectorRegistry]:
    registry = CollectorRegistry()
    return Executor(new_parts(registry, attempts)), registry


def run_all(executor: Executor, link: psycopg.Connection[Any]) -> list[Outcome]:
    """Execute until there is nothing to do; what came of each command."""
    found: list[Outcome] = []
    while not isinstance(outcome := executor.run_once(link), Idle):
        found.append(outcome)
    return found


def committed(outcome: Outcome) -> list[UUID]:
    """The commands that succeeded with it."""
    done = outcome.outcomes if isinstance(outcome, GroupDone) else [outcome]
    return [each.command.command_id for each in done if isinstance(each, Succeeded)]


def make_due(link: psycopg.Connection[Any]) -> None:
    """Let no command wait for its retry any more."""
    link.execute("UPDATE outbox.command SET retry_at = NULL WHERE retry_at IS NOT NULL")
