"""The installed command: its table, its options, its rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from click.testing import CliRunner

from outbox_school.retention import CLASS_TYPES
from outbox_worker.cli import purge as cli
from outbox_worker.errors import WorkFailedError
from outbox_worker.purge import sweep
from tests.cli.conftest import run_command
from tests.retention.dataset import sizes
from tests.retention.load import Load
from tests.sql.old_events import insert, publish_truly

if TYPE_CHECKING:
    from outbox_worker.stores import Connection

LOAD: Final = Load(batches=200, slots=3, early=100, commands=100)
HOLD: Final = """
SELECT FROM school.batch WHERE class_type = 'GUEST' AND completed_at IS NOT NULL
ORDER BY completed_at LIMIT 1 FOR UPDATE"""


def purge(url: str, *more: str, code: int = 0) -> str:
    """Run it to its end; what it printed."""
    done = run_command("purge", "--older-than-days", "7", *more, database_url=url)
    assert done.returncode == code, done.stderr
    assert done.stderr == ""
    return done.stdout


def rows(table: str) -> list[str]:
    """What the table says, without its title."""
    return table.splitlines()[1:]


def test_the_dry_run_prints_the_table_of_the_purge_and_changes_nothing(
    database: str, connection: Connection
) -> None:
    LOAD.write(connection)
    before = sizes(connection)
    dry = purge(database, "--class-type", "all", "--dry-run")
    assert "nothing is changed" in dry
    assert sizes(connection) == before
    done = purge(database, "--class-type", "all")
    assert rows(done) == rows(dry)
    assert sizes(connection) != before
    assert rows(purge(database, "--class-type", "all")) != rows(dry)


@pytest.mark.parametrize("class_type", ["guest", "regular", "all"])
def test_json_says_the_same_before_and_after(
    database: str, connection: Connection, class_type: str
) -> None:
    LOAD.write(connection)
    before = sizes(connection)
    dry = json.loads(purge(database, "--class-type", class_type, "--json", "--dry-run"))
    done = json.loads(purge(database, "--class-type", class_type, "--json"))
    assert {**done, "dry_run": True} == dry
    removed = done["removed"]
    assert set(batches_of(removed)) == {f"{each} batches" for each in CLASS_TYPES[class_type]}
    after = sizes(connection)
    assert before["batch"] - after["batch"] == sum(batches_of(removed).values()) > 0
    assert before["slot"] - after["slot"] == removed["slots"] > 0
    assert before["content"] - after["content"] == removed["texts"] + removed["early texts"]
    files = removed["failed files"] + removed["early failed files"]
    assert before["failure"] - after["failure"] == files
    assert before["association"] - after["association"] == removed["associations"]
    assert before["command"] - after["command"] == removed["finished commands"] == 90
    assert (removed["early texts"], removed["early failed files"]) == (90, 100)


def batches_of(removed: dict[str, int]) -> dict[str, int]:
    return {what: rows for what, rows in removed.items() if what.endswith(" batches")}


def test_guest_batches_are_the_default(database: str, connection: Connection) -> None:
    LOAD.write(connection)
    removed = json.loads(purge(database, "--json", "--dry-run"))["removed"]
    assert set(batches_of(removed)) == {"GUEST batches"}


def test_what_others_hold_is_named_after_the_table_of_the_rest(
    database: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "TRIES", 2)
    monkeypatch.setenv("OUTBOX_DATABASE_URL", database)
    LOAD.write(connection)
    with psycopg.connect(database) as holder:
        holder.execute(HOLD)
        done = CliRunner().invoke(cli.command, ["--older-than-days", "7", "--json"])
    said = json.loads(done.stdout)
    assert said["in_use"] == {"GUEST batches": 1}
    assert said["removed"]["GUEST batches"] > 0
    assert said["removed"]["finished commands"] == 90
    assert isinstance(done.exception, WorkFailedError)
    assert done.exception.message == "1 GUEST batches stay in use by others"


LOSE_HISTORY: Final = """
    INSERT INTO outbox.idempotency_key (topic, key, event_id, digest, created_at)
    VALUES ('t', 'old', gen_random_uuid(), '\\x00', now() - interval '40 days')"""


def lose_history(link: Connection) -> None:
    """An old key, and positions that are not of this table."""
    link.execute(LOSE_HISTORY)
    insert(link, 1)
    publish_truly(link, missing=1_000)


def test_what_was_done_before_an_error_is_shown_and_the_error_after_it(
    database: str, connection: Connection
) -> None:
    LOAD.write(connection)
    lose_history(connection)
    before = sizes(connection)
    done = run_command("purge", "--older-than-days", "7", database_url=database)
    assert done.returncode == 1
    assert "purge, cut short" in done.stdout
    assert done.stderr.startswith("error: The positions are of another history")
    gone = before["command"] - sizes(connection)["command"]
    assert gone > 0
    said = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in rows(done.stdout)[3:-1]
    }
    assert said["finished commands"] == str(gone)
    assert said["idempotency keys"] == "1"


def test_json_says_what_was_done_before_an_error_and_the_error(
    database: str, connection: Connection
) -> None:
    LOAD.write(connection)
    dry = json.loads(purge(database, "--json", "--dry-run"))
    lose_history(connection)
    done = json.loads(purge_cut_short(database, "--json"))
    assert "another history" in done.pop("error")
    assert done == {**dry, "dry_run": False, "idempotency_keys": 1}
    dry = json.loads(purge_cut_short(database, "--json", "--dry-run"))
    assert "another history" in dry.pop("error")
    assert dry == {"dry_run": True}
    assert purge_cut_short(database, "--dry-run") == ""


def purge_cut_short(url: str, *more: str) -> str:
    """Run it into its error; what it printed."""
    done = run_command("purge", "--older-than-days", "7", *more, database_url=url)
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    return done.stdout


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "x", ""])
def test_days_are_a_whole_number_from_one_on(database: str, days: str) -> None:
    done = run_command("purge", "--older-than-days", days, database_url=database)
    assert done.returncode == 2
    assert "--older-than-days" in done.stderr


def test_another_class_type_is_wrong_usage(database: str) -> None:
    done = run_command(
        *("purge", "--older-than-days", "1", "--class-type", "some"), database_url=database
    )
    assert done.returncode == 2
    assert "'guest', 'regular', 'all'" in done.stderr


def test_the_role_of_purge_suffices(database: str, connection: Connection) -> None:
    LOAD.write(connection)
    connection.execute("CREATE ROLE purger LOGIN IN ROLE outbox_purge")
    url = database.replace("postgres@", "purger@")
    dry = json.loads(purge(url, "--class-type", "all", "--json", "--dry-run"))
    assert {**json.loads(purge(url, "--class-type", "all", "--json")), "dry_run": True} == dry
    assert sizes(connection)["batch"] == 200 - sum(batches_of(dry["removed"]).values())
    connection.execute("DROP ROLE purger")


@pytest.mark.parametrize("role", ["outbox_reader", "outbox_worker"])
def test_any_other_role_is_refused(database: str, connection: Connection, role: str) -> None:
    connection.execute(f"CREATE ROLE looker LOGIN IN ROLE {role}".encode())
    url = database.replace("postgres@", "looker@")
    done = run_command("purge", "--older-than-days", "7", database_url=url)
    assert done.returncode == 3
    assert "refuses the login looker: it lacks outbox_purge" in done.stderr
    assert 'GRANT outbox_purge TO "looker";' in done.stderr
    connection.execute("DROP ROLE looker")
