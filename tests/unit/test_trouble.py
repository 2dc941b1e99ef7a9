"""What a loop that tends to things says when it cannot."""

from __future__ import annotations

import time
from unittest import mock

import psycopg
import pytest
from structlog.testing import capture_logs

from outbox_worker.errors import ServerError
from outbox_worker.maintenance import trouble
from outbox_worker.maintenance.trouble import Trouble
from outbox_worker.timing import outage

PASSING = [
    psycopg.OperationalError("the server went away"),
    psycopg.errors.QueryCanceled("statement timeout"),
    psycopg.InterfaceError("closed"),
    ServerError("nobody answers"),
]


@pytest.mark.parametrize("error", PASSING)
def test_what_passes_is_told_once_it_lasts_and_when_it_is_over(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    with capture_logs() as lines:
        found = Trouble("partitions")
        found.note(error)
        found.settle()
        found.note(error)
        assert {line["log_level"] for line in lines} == {"debug"}
        later = mock.Mock(monotonic=lambda: now + trouble.ALOUD_AFTER_S + 60)
        monkeypatch.setattr(outage, "time", later)
        found.note(error)
        found.note(error)
        found.settle()
        found.settle()
    loud = [(line["event"], line["of"]) for line in lines if line["log_level"] != "debug"]
    assert loud == [("upkeep_failed", "partitions"), ("upkeep_back", "partitions")]
    over = next(line for line in lines if line["event"] == "upkeep_back")
    assert (over["after"], over["seconds"] >= trouble.ALOUD_AFTER_S) == (str(error), True)


def test_what_no_waiting_mends_is_told_at_once_and_once() -> None:
    with capture_logs() as lines:
        found = Trouble("partitions")
        found.note(psycopg.errors.DataCorrupted("a broken page"))
        found.note(psycopg.errors.DataCorrupted("a broken page"))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("upkeep_failed", "warning"),
        ("upkeep_waits", "debug"),
    ]
