"""Each part of the work is done by the installed command under a login with that part alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo
from psycopg import sql as identifiers

from tests.cli.conftest import run_command
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster

PARTS: Final = ("relay", "commands", "purge", "operator")
CREATE: Final = identifiers.SQL("CREATE ROLE {} LOGIN IN ROLE {}")
DROP: Final = identifiers.SQL("DROP ROLE {}")
SUBMIT: Final = """
    SELECT outbox.submit(type => 'CreateClass', key => 'teacher', actor => 'teacher',
                         payload => '{"name": "7B", "course_codes": ["ENG5"]}')"""
RESULTS: Final = "SELECT status FROM outbox.command"
AGE: Final = "UPDATE outbox.command SET finished_at = finished_at - interval '20 days'"
DO_S: Final = 40.0


@pytest.fixture
def login(postgres: PostgresServer, database: str) -> Iterator[Callable[[str], str]]:
    """By the name of a part the URL of a login that has it, and no other."""
    name = database.rpartition("/")[2]
    logins = {part: f"only_{part}_{name}" for part in PARTS}
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        for part, each in logins.items():
            role = identifiers.Identifier(f"outbox_{part}")
            admin.execute(CREATE.format(identifiers.Identifier(each), role))
        yield lambda part: conninfo.make_conninfo(database, user=logins[part])
        for each in logins.values():
            admin.execute(DROP.format(identifiers.Identifier(each)))


def test_each_login_does_its_own_work(
    cluster: CliCluster, connection: Connection, login: Callable[[str], str]
) -> None:
    cluster.write(*"abcab")
    connection.execute(SUBMIT)
    topics = {"topic_prefix": f"{cluster.name}.", "create_topics": "1:1"}
    executing = cluster.worker("--role", "commands", database_url=login("commands"), **topics)
    wait_until(
        lambda: connection.execute(RESULTS).fetchall() == [("succeeded",)],
        DO_S,
        "the command is executed",
    )
    relaying = cluster.worker("--role", "relay", database_url=login("relay"), **topics)
    wait_until(lambda: cluster.waiting() == 0, DO_S, "all events are published")
    assert (executing.stop(), relaying.stop()) == (0, 0)
    for worker in (executing, relaying):
        assert not worker.said("upkeep_failed")
        assert not worker.said("database_away")
        assert not worker.said("counts_absent")
    connection.execute(AGE)
    arguments = ("purge", "--older-than-days", "10", "--json")
    purged = cluster.command(*arguments, database_url=login("purge"))
    assert purged.returncode == 0, purged.stderr
    assert json.loads(purged.stdout)["removed"]["finished commands"] == 1
    operator = {"database_url": login("operator")}
    for order in (
        ("status",),
        ("verify",),
        ("rebase",),
        ("rebase", "--execute"),
        ("grant", "outbox_writer", "--topic", "*"),
        ("grants",),
        ("revoke", "outbox_writer", "--topic", "*"),
    ):
        done = cluster.command(*order, **operator)
        # No worker runs any more, and status says so.
        assert done.returncode == int(order == ("status",)), (order, done.stderr)


@pytest.mark.parametrize(
    ("command", "other", "lacking"),
    [
        (("run", "--role", "relay"), "commands", "outbox_relay"),
        (("run", "--role", "commands"), "relay", "outbox_commands"),
        (("run",), "purge", "outbox_relay, outbox_commands"),
    ],
)
def test_what_a_login_lacks_is_named_with_the_statement_that_grants_it(
    command: tuple[str, ...], other: str, lacking: str, login: Callable[[str], str]
) -> None:
    url = login(other)
    done = run_command(*command, database_url=url, kafka_bootstrap_servers="127.0.0.1:1")
    assert done.returncode == 3, done.stderr
    user = conninfo.conninfo_to_dict(url)["user"]
    said = " ".join(done.stderr.split())
    assert f"refuses the login {user}: it lacks {lacking}" in said
    assert f'GRANT {lacking} TO "{user}";' in said
