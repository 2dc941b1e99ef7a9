"""What runs with its owner's rights belongs to a role that nobody logs in as, and no superuser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg import conninfo

from outbox_school.school import school
from outbox_worker.errors import SettingsError
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database as connections
from outbox_worker.postgres import migrations

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

OWNERS: Final = """
    WITH place AS (SELECT oid FROM pg_namespace WHERE nspname IN ('outbox', 'school', 'domain'))
    SELECT DISTINCT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE oid IN (
        SELECT nspowner FROM pg_namespace WHERE oid IN (TABLE place)
        UNION SELECT relowner FROM pg_class WHERE relnamespace IN (TABLE place)
        UNION SELECT proowner FROM pg_proc WHERE pronamespace IN (TABLE place)
        UNION SELECT typowner FROM pg_type WHERE typnamespace IN (TABLE place))
"""
DEFINERS: Final = """
    SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace = 'outbox'::regnamespace"""
PUBLISH: Final = "SELECT outbox.publish('orders', 'k', 'v', '1', idempotency_key => 'i')"


def owners(link: Connection) -> list[tuple[object, ...]]:
    """Every owner of something in our schemas: its name, whether it logs in, is a superuser."""
    return link.execute(OWNERS).fetchall()


def test_what_a_superuser_migrated_belongs_to_no_superuser(connection: Connection) -> None:
    """The compose file migrates as a superuser, as this test's database was."""
    ((name, may_log_in, is_superuser),) = owners(connection)
    assert str(name).startswith("outbox_owner_")
    assert (may_log_in, is_superuser) == (False, False)
    ((definers,),) = connection.execute(DEFINERS).fetchall()
    assert definers > 10


def test_what_had_another_owner_is_handed_over(connection: Connection) -> None:
    """As before the upgrade, or after pg_restore --no-owner."""
    before = owners(connection)
    for order in (
        "ALTER SCHEMA school OWNER TO postgres",
        "ALTER TABLE outbox.event OWNER TO postgres",
        "ALTER TABLE outbox.event_default OWNER TO postgres",
        "ALTER TABLE outbox.command OWNER TO postgres",
        "ALTER SEQUENCE outbox.event_id_seq OWNER TO postgres",
        "ALTER VIEW outbox.lag OWNER TO postgres",
        "ALTER FUNCTION outbox.drop_partition OWNER TO postgres",
    ):
        connection.execute(order.encode())
    assert len(owners(connection)) == 2
    assert migrations.apply(connection, school.tables) == []
    assert owners(connection) == before
    assert partitions.run_once(connection).blocked == []
    connection.execute(PUBLISH)


def test_a_role_that_logs_in_is_not_made_the_owner(connection: Connection) -> None:
    ((name, *_),) = owners(connection)
    with connection.transaction(force_rollback=True):
        connection.execute("ALTER SCHEMA outbox OWNER TO postgres")
        wanted = "outbox_owner_" + connection.info.dbname
        connection.execute(f"CREATE ROLE {wanted} LOGIN".encode())
        with pytest.raises(SettingsError, match=f"{wanted} can log in") as caught:
            migrations.apply(connection, school.tables)
        assert "NOLOGIN" in caught.value.hint
    assert owners(connection)[0][0] == name


def test_a_login_that_makes_roles_migrates_alone_and_stays_able_to() -> None:
    with PostgresServer() as server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute("CREATE ROLE maker LOGIN CREATEROLE")
            admin.execute("CREATE DATABASE shop OWNER maker")
        url = conninfo.make_conninfo(server.url("shop"), user="maker")
        with connections.connect(url, application="tests") as link:
            migrations.apply(link, school.tables)
            assert owners(link) == [("outbox_owner_shop", False, False)]
            assert migrations.apply(link, school.tables) == []
            # What a later migration does, `rebase`, and the owner's own hand.
            link.execute("ALTER TABLE outbox.event ADD COLUMN later text")
            link.execute("UPDATE outbox.event SET xid = '3'")
            link.execute("INSERT INTO outbox.topic_right (role, topic) VALUES ('maker', '*')")
            link.execute(PUBLISH)
            partitions.run_once(link)
            assert owners(link) == [("outbox_owner_shop", False, False)]
