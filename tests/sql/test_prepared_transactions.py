"""A writer waits for a prepared transaction that has its idempotency key or command id."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING

import pytest

from outbox_worker.postgres import database as connections
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
SUBMIT = "SELECT outbox.submit('CreateClass', 'k', '{}', 'a', command_id => %s)"
IDEMPOTENT = "SELECT outbox.publish('t', 'k', 'made.v1', '{}', idempotency_key => %s::text)"
WRITTEN = "SELECT (SELECT count(*) FROM outbox.event) + (SELECT count(*) FROM outbox.command)"


@pytest.mark.parametrize("statement", [SUBMIT, IDEMPOTENT])
@pytest.mark.parametrize("commit", [True, False])
def test_a_prepared_transaction_with_the_same_id_is_waited_for(
    connection: Connection, database: str, statement: str, commit: bool
) -> None:
    given = (uuid.uuid4(),)
    name = connection.info.dbname
    with connections.connect(database, application="first") as link:
        link.execute("BEGIN")
        first = link.execute(statement.encode(), given).fetchone()
        link.execute(f"PREPARE TRANSACTION '{name}'".encode())
    answers: list[object] = []
    with connections.connect(database, application="second") as second:
        second.execute("SET lock_timeout = '60s'")
        thread = threading.Thread(
            target=lambda: answers.append(second.execute(statement.encode(), given).fetchone())
        )
        thread.start()
        wait_until(lambda: connection.execute(WAITS, (name,)).fetchone() == (1,), 10, "it waits")
        connection.execute(f"{'COMMIT' if commit else 'ROLLBACK'} PREPARED '{name}'".encode())
        thread.join(patient(10))
    assert len(answers) == 1
    assert commit is (answers == [first]) or statement is SUBMIT
    assert connection.execute(WRITTEN).fetchone() == (1,)
