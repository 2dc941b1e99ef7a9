"""What the sessions of the commands say of a database that is away."""

from __future__ import annotations

from unittest import mock

import psycopg
import pytest
from psycopg_pool import PoolTimeout
from structlog.testing import capture_logs

from outbox_worker.commands.sessions import ASK_S, Sessions
from outbox_worker.errors import ServerError
from outbox_worker.postgres import database
from outbox_worker.timing import deadline, outage
from outbox_worker.timing.outage import LASTS_S

NO_SESSION = PoolTimeout("couldn't get a connection after 2.00 sec")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """Monotonic seconds that a test sets."""
    found = mock.Mock(now=100.0)
    found.monotonic = lambda: found.now
    for module in (deadline, outage):
        monkeypatch.setattr(module, "time", found)
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """In place of a connection to the server, made to find out why the pool has none."""
    found = mock.Mock(side_effect=ServerError("it refuses connections"))
    monkeypatch.setattr(database, "connect", found)
    return found


def test_each_cause_that_lasts_is_said_once_and_the_end_with_its_length(
    clock: mock.Mock, server: mock.Mock
) -> None:
    sessions = Sessions("", 1, psycopg.Cursor)
    with capture_logs() as lines:
        assert sessions.lost(NO_SESSION) == "it refuses connections"
        clock.now += ASK_S
        server.side_effect = ServerError("no such password")
        assert sessions.lost(NO_SESSION) == "no such password"
        clock.now += max(ASK_S, LASTS_S)
        assert sessions.lost(NO_SESSION) == "no such password"
        assert sessions.lost(NO_SESSION) == "no such password"
        sessions.well()
        sessions.well()
    told = [(line["event"], line.get("error") or line["after"]) for line in lines]
    assert told == [
        ("database_away", "it refuses connections"),
        ("database_away", "no such password"),
        ("database_back", "no such password"),
    ]
    assert lines[-1]["seconds"] == ASK_S + max(ASK_S, LASTS_S)


def test_the_server_is_asked_now_and_then_and_not_by_each_thread(
    clock: mock.Mock, server: mock.Mock
) -> None:
    sessions = Sessions("", 1, psycopg.Cursor)
    for _ in range(5):
        sessions.lost(NO_SESSION)
    assert server.call_count == 1
    clock.now += ASK_S
    for _ in range(5):
        sessions.lost(NO_SESSION)
    assert server.call_count == 2


def test_what_the_server_said_itself_is_said(server: mock.Mock) -> None:
    sessions = Sessions("", 1, psycopg.Cursor)
    assert sessions.lost(psycopg.OperationalError("the disk is full")) == "the disk is full"
    assert not server.called
