"""Whether purge runs, as `doctor` sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import conninfo

from outbox_worker.doctor.finding import Level
from tests.cli.conftest import run_command
from tests.doctor.conftest import Doctor, login

if TYPE_CHECKING:
    from outbox_worker.stores import Connection


def test_a_purge_that_ran_and_no_longer_does_warns(
    doctor: Doctor, connection: Connection, database: str
) -> None:
    assert "last did its work" not in doctor.look("postgres.purge").seen
    order = ("purge", "--older-than-days", "30")
    assert run_command(*order, "--dry-run", database_url=database).returncode == 0
    assert connection.execute("SELECT FROM outbox.last_purge").fetchone() is None
    with login(connection, "outbox_purge") as url:
        assert run_command(*order, database_url=url).returncode == 0
        found = doctor.look("postgres.purge")
        assert found.level is Level.PASS
        assert "it last did its work" in found.seen
        assert f"as {conninfo.conninfo_to_dict(url)['user']};" in found.seen
    connection.execute("UPDATE outbox.last_purge SET finished_at = now() - interval '4 d'")
    assert doctor.look("postgres.purge").level is Level.WARN
