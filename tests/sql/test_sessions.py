"""Each session of ours looks the same to us, whoever logs in."""

from __future__ import annotations

import ast
from importlib import import_module
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo

from outbox_school import overdue, tally
from outbox_worker.cli import commands as commands_cli
from outbox_worker.cli import migrate, status
from outbox_worker.cli.dead_letters import session as letters_session
from outbox_worker.commands import sessions
from outbox_worker.errors import ServerError, SettingsError
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance import gauges, instance, upkeep
from outbox_worker.observe import numbers
from outbox_worker.postgres import database as connections
from outbox_worker.postgres.session import PINNED
from outbox_worker.purge import events, finished
from outbox_worker.reconcile import topic_scan
from tests.harness.databases import make_empty_database
from tests.harness.logins import STRANGE, strange
from tests.project.tree import PRODUCT, ROOT, files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outbox_worker.stores import Connection

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "start": {},
    "relay": connections.READER_OPTIONS,
    "upkeep": upkeep.OPTIONS,
    "gauges": gauges.OPTIONS,
    "instance": instance.OPTIONS,
    "overdue": overdue.OPTIONS,
    "tally": tally.OPTIONS,
    "numbers": numbers.OPTIONS,
    "purge of events": events.OPTIONS,
    "purge of what is finished": finished.OPTIONS,
    "verify and rebase": topic_scan.SCAN_OPTIONS,
    "status": status.OPTIONS,
    "commands list and retry": commands_cli.OPTIONS,
    "dead-letters": letters_session.OPTIONS,
    "migrate": migrate.OPTIONS,
    "partitions of migrate": migrate.LOCK_OPTIONS,
}


def declared() -> Iterator[tuple[str, str]]:
    """Every set of options in the product that its module writes out, by module and name."""
    for path in files(".py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] not in PRODUCT:
            continue
        module = ".".join(parts[1:] if parts[0] == "domain" else parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case ast.AnnAssign(target=ast.Name(id=called), value=ast.Dict(keys=[_, *_])):
                    if called.endswith("OPTIONS"):
                        yield module, called
                case _:
                    pass


def test_no_kind_of_session_is_missing_here() -> None:
    known = [*KINDS.values(), sessions.OPTIONS]
    found = {(module, name): getattr(import_module(module), name) for module, name in declared()}
    assert len(found) == len(known) - 1, "all but the one without options"
    assert [each for each, options in found.items() if options not in known] == []


def differing(link: Connection, wanted: Mapping[str, str]) -> dict[str, tuple[object, object]]:
    """Which settings have another value than wanted, with both as the server writes them."""
    found = {}
    for name, value in wanted.items():
        with link.transaction(force_rollback=True):
            row = link.execute(
                "SELECT current_setting(%s), set_config(%s, %s, true)", (name, name, value)
            ).fetchone()
        assert row is not None
        if row[0] != row[1]:
            found[name] = (row[0], row[1])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_session_has_its_settings_whatever_those_of_the_login(
    database: str, kind: str
) -> None:
    wanted = {**PINNED, **KINDS[kind]}
    with connections.connect(strange(database), application="tests", options=KINDS[kind]) as link:
        assert differing(link, wanted) == {}
        assert link.info.encoding == "utf-8"


def test_a_session_of_the_commands_has_its_settings_too(database: str) -> None:
    pool = sessions.Sessions(strange(database), 1, psycopg.Cursor)
    link = pool.take()
    try:
        assert differing(link, {**PINNED, **sessions.OPTIONS}) == {}
    finally:
        pool.give_back(link, usable=True)
        pool.close()


def test_the_login_of_these_tests_differs_in_everything(database: str) -> None:
    with psycopg.connect(strange(database), autocommit=True) as link:
        link.execute("SET statement_timeout = 0")
        assert STRANGE.keys() == PINNED.keys()
        for name, value in PINNED.items():
            if name == "statement_timeout":
                continue
            row = link.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert row is not None
            assert row[0] != value, name


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PGCLIENTENCODING", "LATIN1"),
        # psycopg has no such codec, and could send no statement that sets another.
        ("PGCLIENTENCODING", "EUC_TW"),
        ("PGDATESTYLE", "SQL, DMY"),
        ("PGTZ", "Asia/Kathmandu"),
        ("PGOPTIONS", "-c statement_timeout=3s -c extra_float_digits=-15"),
    ],
)
def test_the_environment_changes_no_session(
    database: str, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with connections.connect(database, application="tests") as link:
        assert differing(link, PINNED) == {}


def test_options_of_the_url_stay_where_we_have_none_of_our_own(database: str) -> None:
    url = conninfo.make_conninfo(
        database, options="-c search_path=outbox -c work_mem=7MB -c statement_timeout=3s"
    )
    with connections.connect(url, application="tests") as link:
        assert link.execute("SHOW search_path").fetchone() == ("pg_catalog, pg_temp",)
        assert link.execute("SHOW work_mem").fetchone() == ("7MB",)
        assert link.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_setting_that_the_server_does_not_know_is_left_out(database: str) -> None:
    options = {"transaction_timeout_of_some_day": "0", "work_mem": "7MB"}
    with connections.connect(database, application="tests", options=options) as link:
        assert link.execute("SHOW work_mem").fetchone() == ("7MB",)


def test_a_database_that_converts_no_text_is_refused(postgres: PostgresServer) -> None:
    name = make_empty_database(postgres, encoding="SQL_ASCII")
    with pytest.raises(SettingsError, match="SQL_ASCII"):
        connections.connect(postgres.url(name), application="tests")


def test_a_server_that_was_made_read_only_is_not_written_to() -> None:
    with (
        PostgresServer(settings={"default_transaction_read_only": "on"}) as server,
        pytest.raises(ServerError, match="default_transaction_read_only"),
    ):
        connections.connect(server.url(), application="tests")
