"""`outbox-worker dead-letters` names the option that does not fit, and a right that is lacking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import run_command
from tests.doctor.conftest import login

if TYPE_CHECKING:
    from outbox_worker.stores import Connection
    from tests.cli.conftest import CliCluster


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
        (("show", "no-id"), "EVENT_ID"),
    ],
)
def test_options_that_do_not_fit_are_named(words: tuple[str, ...], named: str) -> None:
    done = run_command("dead-letters", *words)
    assert done.returncode == 2, done.stdout
    assert named in done.stderr
