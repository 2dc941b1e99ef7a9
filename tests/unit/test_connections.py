"""Of librdkafka's lines, those that tell of a connection on which something was under way."""

from __future__ import annotations

import logging

import pytest

from outbox_worker.relay.connections import Connections

THREAD = "[thrd:127.0.0.1:9092/1]: 127.0.0.1:9092/1: "
CLOSED = f"{THREAD}Disconnected: connection closed by peer: receive 0 after POLLIN"


@pytest.mark.parametrize(
    ("kind", "line", "lost"),
    [
        ("FAIL", f"{CLOSED} (after 1107ms in state UP)", True),
        ("FAIL", f"{CLOSED} (after 9ms in state UP, 1 identical error(s) suppressed)", True),
        ("FAIL", f"{THREAD}SASL authentication error (after 3ms in state REAUTH)", True),
        ("FAIL", f"{THREAD}1 request(s) timed out: disconnect (after 5000ms in state UP)", True),
        ("FAIL", f"{THREAD}so long that librdkafka cut its state off", True),
        ("REQTMOUT", f"{THREAD}Timed out 1 in-flight, 0 retry-queued", True),
        ("FAIL", f"{THREAD}Connection refused (after 0ms in state CONNECT)", False),
        ("FAIL", f"{THREAD}Disconnected (after 2ms in state APIVERSION_QUERY)", False),
        ("GETPID", f"{THREAD}Failed to acquire PID", False),
    ],
)
def test_a_lost_connection_is_told_from_one_that_was_never_made(
    caplog: pytest.LogCaptureFixture, kind: str, line: str, *, lost: bool
) -> None:
    logger = logging.getLogger("test.librdkafka")
    connections = Connections({"logger": logger})
    connections.log(logging.INFO, "%s [%s] %s", "OTHER", "producer-1", "all is well")
    assert not connections.lost
    connections.log(logging.ERROR, "%s [%s] %s", kind, "producer-1", line)
    connections.log(logging.ERROR, "%s [%s] %s", "OTHER", "producer-1", "all is well again")
    assert connections.lost is lost
    assert line in caplog.text, "the line is passed on"
