"""Each check of Postgres, with what it is about broken on a real server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import psycopg
import pytest
from psycopg import conninfo
from psycopg import sql as identifiers
from typing_extensions import override

from outbox_worker.doctor import reach
from outbox_worker.doctor.check import Needs
from outbox_worker.doctor.examine import examine
from outbox_worker.doctor.finding import Level
from outbox_worker.doctor.postgres import (
    clock,
    prepared,
    settings,
    size,
    transactions,
)
from outbox_worker.doctor.servers import LIMITS
from outbox_worker.postgres import migrations
from tests.doctor.conftest import BY_NAME, Doctor, login
from tests.harness.databases import make_empty_database
from tests.harness.logins import strange
from tests.harness.pooler import Pooler

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

PUBLISH: Final = "SELECT outbox.publish('orders', %s, 'order.placed', '{}')"
OF_POSTGRES: Final = [each for name, each in BY_NAME.items() if name.startswith("postgres.")]


def test_a_migrated_database_passes_every_check_also_for_the_login_of_a_worker(
    doctor: Doctor, connection: Connection
) -> None:
    with login(connection, "outbox_worker") as url:
        results = []
        for each in (doctor, Doctor(url)):
            results = examine(each.servers(), OF_POSTGRES)
            assert {
                r.check.name: r.finding for r in results if r.finding.level.value != "pass"
            } == {}
    assert len(OF_POSTGRES) == len(results) > 10


def test_a_server_that_is_away_is_a_failure_and_what_needs_it_is_skipped() -> None:
    away = Doctor("postgresql://nobody@127.0.0.1:9/none")
    first, *others = [each.finding for each in examine(away.servers(), OF_POSTGRES)]
    assert first.level is Level.FAIL
    assert "cannot be reached" in first.seen
    assert {each.level for each in others} == {Level.SKIPPED}
    assert {each.seen for each in others} == {"not seen: Postgres cannot be asked"}


def test_a_server_that_is_too_old_fails(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 99)
    found = doctor.look("postgres.version")
    assert found.level is Level.FAIL
    assert "needs 99 or newer" in found.seen


def test_a_schema_that_is_behind_or_was_edited_fails(
    doctor: Doctor, connection: Connection
) -> None:
    connection.execute("UPDATE outbox.migration SET checksum = 'x' WHERE number = 2")
    found = doctor.look("postgres.schema")
    assert (found.level, found.run) == (Level.FAIL, ())
    assert "another text" in found.seen
    connection.execute("DELETE FROM outbox.migration WHERE number >= 2")
    found = doctor.look("postgres.schema")
    assert (found.level, found.run) == (Level.FAIL, ("outbox-worker migrate",))


def test_without_the_tables_the_schema_alone_fails_and_what_needs_them_is_skipped(
    postgres: PostgresServer,
) -> None:
    doctor = Doctor(postgres.url(make_empty_database(postgres)))
    checks = [each for each in BY_NAME.values() if each.needs is Needs.POSTGRES]
    found = {each.check.name: each.finding for each in examine(doctor.servers(), checks)}
    failing = [name for name, each in found.items() if each.level is Level.FAIL]
    assert failing == ["postgres.schema"]
    skipped = {each.remedy for each in found.values() if each.level is Level.SKIPPED}
    assert skipped == {"See postgres.schema"}


def test_a_login_without_the_rights_of_a_worker_fails_and_what_it_may_not_see_is_not_seen(
    connection: Connection,
) -> None:
    with login(connection) as url:
        name = conninfo.conninfo_to_dict(url)["user"]
        found = Doctor(url).look("postgres.rights")
        assert (found.level, found.run) == (Level.FAIL, (f'GRANT outbox_worker TO "{name}";',))
        unseen = Doctor(url).look("postgres.default_partition")
        assert (unseen.level, unseen.run) == (Level.SKIPPED, ("GRANT outbox_worker TO LOGIN;",))
        assert "permission denied" in unseen.seen
    with login(connection, "outbox_commands") as url:
        found = Doctor(url).look("postgres.rights")
        assert found.level is Level.PASS
        assert "--role commands" in found.seen


def test_a_login_that_is_shut_out_of_the_database_fails(connection: Connection) -> None:
    connection.execute("INSERT INTO outbox.database_right (role) VALUES (session_user::regrole)")
    with login(connection, "outbox_worker") as url:
        found = Doctor(url).look("postgres.rights")
    assert found.level is Level.FAIL
    assert found.run[0].endswith("--database")
    assert "is closed to the login" in found.seen


def test_a_pooler_that_shares_sessions_fails_and_everything_else_is_seen_through_it(
    database: str, tmp_path: Path
) -> None:
    with Pooler(database, tmp_path, "transaction") as pooler:
        results = examine(Doctor(pooler.url).servers(), OF_POSTGRES)
    by_level = {each.check.name: each.finding for each in results}
    assert by_level.pop("postgres.pooler").level is Level.FAIL
    assert {each.level for each in by_level.values()} == {Level.PASS}


def test_settings_of_the_database_that_hurt_are_named(
    doctor: Doctor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = identifiers.Identifier(connection.info.dbname)
    order = identifiers.SQL("ALTER DATABASE {} SET {} = {}")
    for setting in ("synchronous_commit", "track_activities"):
        connection.execute(order.format(name, identifiers.SQL(setting), identifiers.SQL("off")))
    found = doctor.look("postgres.settings")
    assert found.level is Level.WARN
    assert "synchronous_commit = off" in found.seen
    assert "track_activities = off" in found.seen
    assert any("RESET synchronous_commit" in line for line in found.run)
    read_only = identifiers.SQL(settings.READ_ONLY)
    connection.execute(order.format(name, read_only, identifiers.SQL("on")))
    assert doctor.look("postgres.settings").level is Level.WARN
    # As where it stands in the configuration, which all tests of this server would suffer from.
    monkeypatch.setattr(settings, "OF_THE_SERVER", {"database"})
    found = doctor.look("postgres.settings")
    assert found.level is Level.FAIL
    assert "read-only" in found.remedy


def test_a_limit_of_connections_that_is_used_up_fails_and_one_that_nearly_is_warns(
    connection: Connection,
) -> None:
    limit = identifiers.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    with login(connection, "outbox_worker") as url:
        role = identifiers.Identifier(str(conninfo.conninfo_to_dict(url)["user"]))
        for most, level in ((1, Level.FAIL), (5, Level.WARN), (50, Level.PASS)):
            connection.execute(limit.format(role, most))
            found = Doctor(url).look("postgres.connections")
            assert found.level is level, found
            if level is not Level.PASS:
                assert f"1 of {most} that this login allows" in found.seen


@pytest.mark.parametrize(("seconds", "level"), [(60, Level.WARN), (7_200, Level.FAIL)])
def test_a_clock_that_is_apart_is_named(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, seconds: int, level: Level
) -> None:
    class Late(datetime):
        @classmethod
        @override
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(seconds=seconds)

    monkeypatch.setattr(clock, "datetime", Late)
    found = doctor.look("postgres.clock")
    assert found.level is level
    assert "ahead of this host" in found.seen


def test_a_sequence_that_is_behind_its_rows_fails(doctor: Doctor, connection: Connection) -> None:
    for key in "abc":
        connection.execute(PUBLISH, (key,))
    connection.execute("SELECT setval('outbox.event_id_seq', 1)")
    found = doctor.look("postgres.history")
    assert found.level is Level.FAIL
    assert "outbox-worker migrate" in found.remedy


def test_a_transaction_that_stays_open_is_named_with_its_login(
    doctor: Doctor,
    connection: Connection,
    outsider: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "LONG_S", 0.0)
    outsider.execute("SET application_name = 'a\x1b[31mshop'")
    outsider.execute(PUBLISH, ("a",))
    line = f"pg_terminate_backend({outsider.info.backend_pid})"
    found = doctor.look("postgres.transactions")
    assert found.level is Level.WARN
    assert "idle in transaction" in found.seen
    assert line in found.run[0]
    with login(connection, "outbox_worker") as url:
        # A worker's login may not see since when it is open, but what was written since.
        monkeypatch.setattr(transactions, "LONG_S", 0.001)
        assert Doctor(url).look("postgres.transactions").level is Level.PASS
        connection.execute(PUBLISH, ("b",))
        found = Doctor(url).look("postgres.transactions")
    assert found.level is Level.WARN
    assert "for at least" in found.seen
    assert line in found.run[0]


def test_a_prepared_transaction_is_named_with_the_lines_that_decide_it(
    doctor: Doctor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "LONG_S", 0.0)
    with psycopg.connect(doctor.url) as link:
        link.execute(PUBLISH, ("a",))
        link.execute("PREPARE TRANSACTION 'it''s left'")
    try:
        found = doctor.look("postgres.prepared")
    finally:
        connection.execute("ROLLBACK PREPARED 'it''s left'")
    assert found.level is Level.WARN
    assert "it's left of postgres" in found.seen
    assert found.run == ("COMMIT PREPARED 'it''s left';", "ROLLBACK PREPARED 'it''s left';")
    assert doctor.look("postgres.prepared").level is Level.PASS


def test_a_table_without_identity_in_a_publication_fails_and_the_line_mends_it(
    doctor: Doctor, connection: Connection
) -> None:
    connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    assert doctor.look("postgres.publications").level is Level.PASS
    connection.execute("ALTER TABLE outbox.command REPLICA IDENTITY NOTHING")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        connection.execute("DELETE FROM outbox.command")
    found = doctor.look("postgres.publications")
    assert found.level is Level.FAIL
    assert "outbox.command (everything)" in found.seen
    for line in found.run:
        connection.execute(line.encode())
    connection.execute("DELETE FROM outbox.command")
    assert doctor.look("postgres.publications").level is Level.PASS


def test_a_day_that_is_much_larger_than_those_before_it_warns(
    doctor: Doctor, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("SELECT outbox.add_partition((now() AT TIME ZONE 'UTC')::date - 1)")
    connection.execute(
        "INSERT INTO outbox.event (topic, key, type, payload) "
        "SELECT 'orders', 'a', 'placed', convert_to(repeat('x', 900), 'UTF8') "
        "FROM generate_series(1, 500)"
    )
    assert doctor.look("postgres.size").level is Level.PASS
    monkeypatch.setattr(size, "LARGE_BYTES", 100_000)
    found = doctor.look("postgres.size")
    assert found.level is Level.WARN
    assert "a day before" in found.seen


def test_days_that_nobody_purges_warn(doctor: Doctor, connection: Connection) -> None:
    connection.execute("SELECT outbox.add_partition((now() AT TIME ZONE 'UTC')::date - 40)")
    found = doctor.look("postgres.purge")
    assert found.level is Level.WARN
    assert "40 days old" in found.seen
    connection.execute("SELECT outbox.drop_partition((now() AT TIME ZONE 'UTC')::date - 40)")
    assert doctor.look("postgres.purge").level is Level.PASS
    connection.execute(
        "INSERT INTO outbox.command (type, key, actor, payload) VALUES ('A', 'k', 'me', '{}')"
    )
    connection.execute(
        "UPDATE outbox.command SET status = 'succeeded', result = '{}', "
        "finished_at = now() - interval '50 days'"
    )
    assert "finished command is 50 days old" in doctor.look("postgres.purge").seen


def test_a_table_that_somebody_has_locked_is_not_seen_and_the_next_check_is_made(
    doctor: Doctor, outsider: psycopg.Connection
) -> None:
    outsider.execute("LOCK TABLE outbox.event_default IN ACCESS EXCLUSIVE MODE")
    checks = [BY_NAME["postgres.default_partition"], BY_NAME["postgres.prepared"]]
    locked, after = [each.finding for each in examine(doctor.servers(), checks)]
    assert locked.level is Level.WARN
    assert "keeps a table locked" in locked.seen
    assert after.level is Level.PASS


def test_a_look_has_its_settings_whatever_those_of_the_login_and_leaves_none_behind(
    database: str,
) -> None:
    servers = reach.with_postgres(Doctor(strange(database)).servers())
    with servers.postgres as link:
        with servers.reading():
            for name, value in LIMITS.items():
                ((has, wanted),) = link.execute(
                    "SELECT current_setting(%s), set_config(%s, %s, true)", (name, name, value)
                ).fetchall()
                assert has == wanted, name
        assert link.execute("SHOW statement_timeout").fetchone() == ("150ms",)


def test_a_look_cannot_write(doctor: Doctor) -> None:
    servers = reach.with_postgres(doctor.servers())
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), servers.reading() as link:
        link.execute(PUBLISH, ("a",))
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), servers.reading() as link:
        link.execute("CREATE TEMPORARY TABLE kept (a int)")
    servers.postgres.close()
