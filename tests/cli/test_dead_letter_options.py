"""`outbox-worker dead-letters` names the option that does not fit, and a right that is lacking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_worker.doctor.finding import Level
from tests.cli.conftest import run_command
from tests.doctor.conftest import login, of
from tests.sql.old_events import insert, make_day, publish_truly
from tests.sql.test_ledger import PARK

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster


def test_status_and_doctor_show_open_dead_letters(cluster: CliCluster) -> None:
    cluster.write("a", "a", "b")
    assert json.loads(cluster.command("status", "--json").stdout)["dead_letters"]["open"] == 0
    assert "dead letters" not in cluster.command("status").stdout
    assert of(cluster).look("group.dead_letters").seen == "none"
    with psycopg.connect(cluster.url) as link:
        link.execute(PARK, (3,))
    found = json.loads(cluster.command("status", "--json").stdout)["dead_letters"]
    assert (found["open"], found["sequences"]) == (3, 2)
    assert "dead letters: 3 events in 2 sequences" in cluster.command("status").stdout
    finding = of(cluster).look("group.dead_letters")
    assert finding.level is Level.WARN
    assert "3 events in 2 sequences" in finding.seen
    listed = cluster.command("dead-letters", "list", "--limit", "1").stdout
    assert "1 more are not shown" in listed
    assert "nothing is changed" in cluster.command("dead-letters", "discard", "--all").stdout
    done = cluster.command("dead-letters", "discard", "--all", "--execute")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "3 events are discarded")
    assert "nothing is parked" in cluster.command("dead-letters", "redrive", "--all").stdout


def test_a_line_of_the_list_is_never_cut_or_folded(cluster: CliCluster) -> None:
    topic, key = f"{cluster.name}.{'x' * 180}", "k" * 150
    cluster.topics = [topic]
    events = cluster.write(key, key)
    with psycopg.connect(cluster.url) as link:
        link.execute(PARK, (2,))
    listed = cluster.command("dead-letters", "list").stdout.splitlines()
    (line,) = [each for each in listed if topic in each]
    assert [key, "2", events[0]] == line.split()[1:4]
    listed = cluster.command("dead-letters", "list", "--events").stdout.splitlines()
    found = [each.split()[:3] for each in listed if topic in each]
    assert found == [[event, topic, key] for event in events]
    assert "LARGE: too large" in listed


def test_the_history_of_a_dead_letter_is_its_own(
    cluster: CliCluster, connection: Connection
) -> None:
    """Of a request that concerns several shards, and of those before it was parked and after."""
    events = cluster.write(*"abcdefgh")
    ask = ("dead-letters", "redrive", "--topic", cluster.topics[0], "--execute", "--no-wait")
    assert "no dead letters" in cluster.command("dead-letters", "list").stdout
    connection.execute(PARK, (4,))
    assert cluster.command(*ask).returncode == 0
    connection.execute("UPDATE outbox.dead_letter_order SET state = 'failed', ended_at = now()")
    connection.execute(f"{PARK} ON CONFLICT DO NOTHING".encode(), (8,))
    assert cluster.command(*ask).returncode == 0
    counts = []
    for event in events:
        shown = json.loads(cluster.command("dead-letters", "show", event, "--json").stdout)
        counts += [len(each["orders"]) for each in shown]
    assert counts == [2] * 4 + [1] * 4
    cluster.command("dead-letters", "discard", "--all", "--execute")
    connection.execute("UPDATE outbox.dead_letter_event SET decided_at = parked_at")
    shown = json.loads(cluster.command("dead-letters", "show", events[0], "--json").stdout)
    assert [each["orders"] for each in shown] == [[]]
    assert "redrives    0 refused" in cluster.command("dead-letters", "show", events[0]).stdout


def test_purge_says_which_days_dead_letters_keep(
    cluster: CliCluster, connection: Connection
) -> None:
    day = make_day(connection)
    insert(connection, 4)
    publish_truly(connection)
    connection.execute(PARK, (2,))
    purge = ("purge", "--older-than-days", "10")
    found = json.loads(cluster.command(*purge, "--json").stdout)
    assert (found["days"], found["kept_dead_letters"]) == ({}, {str(day): 2})
    shown = cluster.command(*purge).stdout
    assert "4 (2 dead letters)" in shown
    assert "outbox-worker dead-letters list" in shown
    cluster.command("dead-letters", "discard", "--all", "--execute")
    assert json.loads(cluster.command(*purge, "--json").stdout)["days"] == {str(day): 4}


def test_a_login_that_is_no_operator_decides_nothing(
    cluster: CliCluster, connection: Connection
) -> None:
    cluster.topics = [f"{cluster.name}.nowhere"]
    (event,) = cluster.write("a")
    with login(connection, "outbox_worker") as url:
        done = cluster.command(
            "dead-letters", "park", "--event", event, "--execute", database_url=url
        )
        assert done.returncode == 3, done.stdout
        assert "outbox_operator" in done.stderr
        seen = cluster.command("dead-letters", "list", database_url=url)
        assert seen.returncode == 0, seen.stderr
    with login(connection, "outbox_operator") as url:
        asked = cluster.command(
            *("dead-letters", "park", "--event", event, "--execute", "--no-wait"), database_url=url
        )
        assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("redrive",), "--event ID"),
        (("redrive", "--key", "k"), "--key needs --topic"),
        (("redrive", "--all", "--topic", "t"), "--all goes without"),
        (("discard", "--topic", "t", "--key", "k", "--event", "0" * 32), "goes without --key"),
        (("park",), "--event ID"),
        (("redrive", "--all", "--to-topic", "__consumer_offsets"), "--to-topic"),
        (("redrive", "--all", "--rate", "0"), "--rate"),
        (("redrive", "--all", "--rate", "inf"), "--rate"),
        (("redrive", "--all", "--rate", "nan"), "--rate"),
        (("show", "no-id"), "EVENT_ID"),
    ],
)
def test_options_that_do_not_fit_are_named(words: tuple[str, ...], named: str) -> None:
    done = run_command("dead-letters", *words)
    assert done.returncode == 2, done.stdout
    assert named in done.stderr
