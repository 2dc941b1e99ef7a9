"""A service in any language can do it: here one that has psql and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer

MAKE_CLASS = """
    SELECT outbox.submit('CreateClass', 'teacher 7', '{"name": "7b", "course_codes": ["ENG5"]}',
                         'teacher 7')"""
ADD_STUDENT = """
    SELECT outbox.submit(
        type => 'CreateStudent', key => 'teacher 7', actor => 'teacher 7',
        payload => jsonb_build_object('first_name', 'Ada', 'last_name', 'Lovelace',
                                      'class_ids', jsonb_build_array(:'class_id')))"""
RESULT = """
    SELECT coalesce(result ->> :'field', error ->> 'code')
    FROM outbox.command WHERE command_id = :'command_id' AND status <> 'queued'"""
ROSTER = """
    SELECT legal_full_name FROM domain.roster
    WHERE user_id = 'teacher 7' AND class_id = :'class_id'"""


class Service:
    """Has the rights of a role, and calls psql for each statement."""

    def __init__(self, postgres: PostgresServer, url: str, role: str = "outbox_writer") -> None:
        self._psql = str(postgres.binary("psql"))
        self._url = url
        self._role = role

    def ask(self, statement: str, **variables: str) -> str:
        sets = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        done = subprocess.run(
            [self._psql, "-XqAt", "-v", "ON_ERROR_STOP=1", *sets, self._url],
            input=statement,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PGOPTIONS": f"-c role={self._role}"},
        )
        return done.stdout.strip()

    def await_result(self, command_id: str, field: str) -> str:
        return wait_until(
            lambda: self.ask(RESULT, command_id=command_id, field=field), 20, "the result"
        )


@pytest.fixture
def worker(database: str, tmp_path: Path) -> Iterator[Worker]:
    """A process that executes commands; it needs no setting but the database."""
    log = tmp_path / "worker.log"
    order = [COMMAND, "run", "--role", "commands"]
    found = Worker("worker", log, order, database_url=database, http_address="")
    yield found
    assert found.stop() == 0, log.read_text()


def test_psql_makes_a_class_waits_for_its_result_and_reads_the_roster(
    postgres: PostgresServer, database: str, worker: Worker
) -> None:
    service = Service(postgres, database)
    class_id = service.await_result(service.ask(MAKE_CLASS), "class_id")
    student = service.ask(ADD_STUDENT, class_id=class_id)
    assert len(service.await_result(student, "student_id")) == 36
    reader = Service(postgres, database, "outbox_reader")
    assert reader.ask(ROSTER, class_id=class_id) == "Ada Lovelace"


def test_psql_sees_why_a_command_is_rejected(
    postgres: PostgresServer, database: str, worker: Worker
) -> None:
    service = Service(postgres, database)
    refused = service.ask("SELECT outbox.submit('CreateClass', 'k', '{\"name\": \"\"}', 'someone')")
    assert service.await_result(refused, "class_id") == "VALIDATION_ERROR"
    error = service.ask(
        "SELECT error FROM outbox.command WHERE command_id = :'command_id'", command_id=refused
    )
    assert {each["path"] for each in json.loads(error)["details"]["errors"]} == {
        "name",
        "course_codes",
    }
