"""submit() and plain INSERT: once for each id, whoever races, with a writer's rights only."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.postgres import database as connections
from tests.commands.inbox import CLASS, look, run_all, submit
from tests.commands.inbox import new_executor as make
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

COUNT = "SELECT count(*) FROM outbox.command"
INSERT = """
    INSERT INTO outbox.command (command_id, type, key, actor, payload)
    VALUES (%s, 'CreateClass', 'key', 'teacher', '{"name": "7b", "course_codes": ["SV1"]}')"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = %s"


def count(link: Connection) -> int:
    row = link.execute(COUNT).fetchone()
    assert row is not None
    return int(row[0])


def test_submit_gives_an_id_and_the_command_waits(connection: Connection) -> None:
    command_id = submit(connection)
    row = look(connection, command_id)
    assert (row.status, row.result, row.error, row.finished_at) == ("queued", None, None, None)


def test_a_known_id_with_the_same_content_writes_nothing(connection: Connection) -> None:
    command_id, first, second = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    assert submit(connection, command_id=command_id, correlation_id=first) == command_id
    # The payload is compared as JSON, and a retry may come with a correlation of its own.
    other = '{"course_codes":   ["ENG5"], "name": "7b"}'
    again = submit(connection, payload=other, command_id=command_id, correlation_id=second)
    assert again == command_id
    assert count(connection) == 1
    kept = connection.execute("SELECT correlation_id FROM outbox.command").fetchone()
    assert kept == (first,)


def test_a_known_id_that_is_finished_keeps_its_result(connection: Connection) -> None:
    command_id = submit(connection)
    executor, _ = make()
    run_all(executor, connection)
    before = look(connection, command_id)
    assert submit(connection, command_id=command_id) == command_id
    assert run_all(executor, connection) == []
    assert look(connection, command_id) == before
    assert before.result == {"class_id": str(command_id)}


@pytest.mark.parametrize(
    ("kind", "key", "name"),
    [("UpdateClass", "key", "7b"), ("CreateClass", "other", "7b"), ("CreateClass", "key", "8b")],
    ids=["type", "key", "payload"],
)
def test_a_known_id_with_other_content_is_refused(
    connection: Connection, kind: str, key: str, name: str
) -> None:
    command_id = submit(connection)
    with pytest.raises(psycopg.Error, match=r"^COMMAND_ID_REUSED") as caught:
        submit(connection, kind, {**CLASS, "name": name}, key=key, command_id=command_id)
    assert caught.value.sqlstate == "OB001"
    assert count(connection) == 1


def test_a_known_id_of_another_actor_is_refused(connection: Connection) -> None:
    command_id = submit(connection)
    with pytest.raises(psycopg.Error, match=r"^COMMAND_ID_REUSED"):
        connection.execute(
            "SELECT outbox.submit('CreateClass', 'key', payload, 'another', command_id) "
            "FROM outbox.command WHERE command_id = %s",
            (command_id,),
        )


@pytest.mark.parametrize("commits", [True, False], ids=["commits", "rolls back"])
@pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
def test_of_two_racing_transactions_the_second_waits_for_the_first(
    connection: Connection, database: str, *, commits: bool, same: bool
) -> None:
    command_id = uuid.uuid4()
    payload = CLASS if same else {**CLASS, "name": "8b"}
    with (
        connections.connect(database, application="first") as first,
        connections.connect(database, application="second") as second,
        ThreadPoolExecutor(1) as thread,
    ):
        with first.transaction(force_rollback=not commits):
            submit(first, command_id=command_id)
            racing = thread.submit(submit, second, payload=payload, command_id=command_id)
            pid = second.info.backend_pid
            wait_until(
                lambda: connection.execute(WAITING, (pid,)).fetchone() == (1,), 10, "it waits"
            )
        if commits and not same:
            with pytest.raises(psycopg.Error, match="COMMAND_ID_REUSED"):
                racing.result(60)
        else:
            assert racing.result(60) == command_id
    assert count(connection) == 1


def test_a_plain_insert_is_a_command_and_a_known_id_a_unique_violation(
    connection: Connection,
) -> None:
    command_id = uuid.uuid4()
    connection.execute(INSERT, (command_id,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(INSERT, (command_id,))
    executor, _ = make()
    run_all(executor, connection)
    assert look(connection, command_id).result == {"class_id": str(command_id)}
    # To submit() it is the same command.
    payload = {"name": "7b", "course_codes": ["SV1"]}
    assert submit(connection, payload=payload, command_id=command_id) == command_id


def test_a_writer_submits_inserts_and_waits_for_the_result(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL ROLE outbox_writer")
        submitted, inserted = submit(connection), uuid.uuid4()
        connection.execute(INSERT, (inserted,))
        assert look(connection, submitted).status == "queued"
    executor, _ = make()
    run_all(executor, connection)
    connection.execute("SET ROLE outbox_writer")
    assert [look(connection, each).status for each in (submitted, inserted)] == ["succeeded"] * 2


@pytest.mark.parametrize(
    "order",
    [
        "UPDATE outbox.command SET status = 'rejected'",
        "UPDATE outbox.command SET payload = '{}'",
        "DELETE FROM outbox.command",
        """INSERT INTO outbox.command (type, key, actor, payload, status, error, finished_at)
           VALUES ('T', 'k', 'a', '{}', 'rejected', '{}', now())""",
        """INSERT INTO outbox.command (type, key, actor, payload, failures)
           VALUES ('T', 'k', 'a', '{}', 3)""",
        """INSERT INTO school.class (class_id, owner, name, course_code)
           VALUES (gen_random_uuid(), 'a', 'n', 'SV1')""",
    ],
)
def test_a_writer_may_do_no_more(connection: Connection, order: str) -> None:
    submit(connection)
    connection.execute("SET ROLE outbox_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(order.encode())


def test_the_role_of_a_worker_suffices_to_execute_commands(connection: Connection) -> None:
    good, bad = submit(connection), submit(connection, payload={})
    connection.execute("SET ROLE outbox_worker")
    executor, _ = make()
    run_all(executor, connection)
    assert [look(connection, each).status for each in (good, bad)] == ["succeeded", "rejected"]
