"""Whoever reaches the HTTP side can take neither its threads nor its words."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from structlog.testing import capture_logs
from typing_extensions import override

from outbox_worker.observe import http
from outbox_worker.observe.health import Health
from outbox_worker.observe.http import MOST_CONNECTIONS, HttpServer, is_near
from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORT_S: Final = 1.0
"""In place of the bounds, so that a test need not wait for them."""
LONG_S: Final = 30.0
WORDS: Final = 'connection to "db.internal" failed for user "outbox"'


class Large(Collector):
    """Metrics of 64 MB: more than the buffers of a connection hold."""

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily("large", "x" * 64_000_000, value=1)


class Broken(Collector):
    """Metrics that cannot be had."""

    @override
    def collect(self) -> Iterable[GaugeMetricFamily]:
        raise ZeroDivisionError

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Named without being asked for."""
        return []


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def server(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[HttpServer]:
    for bound in ("REQUEST_S", "SEND_S"):
        monkeypatch.setattr(http, bound, getattr(request, "param", SHORT_S))
    health = Health()
    health.set_unready("database", WORDS)
    with closing(HttpServer("127.0.0.1:0", health, registry)) as server:
        yield server


lasting = pytest.mark.parametrize("server", [LONG_S * 100], indirect=True)


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=patient(LONG_S))


def ask(server: HttpServer, request: str) -> str:
    """All that the server sends until it closes the connection."""
    with connect(server) as link:
        link.sendall(f"{request}\r\n\r\n".encode())
        return b"".join(iter(lambda: link.recv(65_536), b"")).decode()


def serving() -> int:
    """How many threads serve a connection."""
    return sum("process_request_thread" in each.name for each in threading.enumerate())


def is_serving(threads: int) -> bool:
    return serving() == threads


def test_a_request_that_drips_in_is_ended(server: HttpServer) -> None:
    with connect(server) as link:
        link.settimeout(0.1)
        for byte in b"GET /livez HTTP/1.0\r\nX: " + b"y" * 280:
            try:
                link.send(bytes([byte]))
                if link.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("after 30 s it still reads, a byte at a time")
    wait_until(lambda: serving() == 0, LONG_S, "the thread is given back")


def test_who_sends_nothing_is_ended(server: HttpServer) -> None:
    with connect(server) as link:
        assert link.recv(1) == b""
    wait_until(lambda: serving() == 0, LONG_S, "the thread is given back")


def test_who_does_not_take_the_answer_is_ended(
    server: HttpServer, registry: CollectorRegistry
) -> None:
    registry.register(Large())
    with connect(server) as link:
        link.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_until(lambda: serving() == 1, LONG_S, "it is being answered")
        wait_until(lambda: serving() == 0, LONG_S, "the thread is given back")


@lasting
def test_connections_that_send_nothing_are_bounded_and_keep_no_probe_out(
    server: HttpServer,
) -> None:
    with ExitStack() as stack:
        for _ in range(3 * MOST_CONNECTIONS):
            link = stack.enter_context(connect(server))
            link.sendall(b"GET /livez")
        assert " 200 " in ask(server, "GET /livez HTTP/1.0")
        wait_until(lambda: serving() <= MOST_CONNECTIONS, LONG_S, "the oldest are ended")


@lasting
def test_connections_that_take_no_answer_are_bounded(
    server: HttpServer, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 2)
    registry.register(Large())
    with ExitStack() as stack:
        for served in (1, 2):
            link = stack.enter_context(connect(server))
            link.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            wait_until(partial(is_serving, served), LONG_S, "it is being answered")
            # Its request is complete once the answer begins.
            assert link.recv(1) == b"H"
        with connect(server) as one_more:
            assert one_more.recv(1) == b""
        assert serving() == 2


@pytest.mark.parametrize(
    "line", ["<b>x</b> /livez HTTP/1.0", "GET /livez <b>x</b>", "GET <b>x</b> y HTTP/1.0"]
)
def test_an_error_does_not_repeat_what_was_asked(server: HttpServer, line: str) -> None:
    answer = ask(server, line)
    assert answer
    assert "<b>" not in answer
    assert "&lt;" not in answer


def test_causes_are_told_on_the_machine_itself(server: HttpServer) -> None:
    _, _, body = ask(server, "GET /readyz HTTP/1.0").partition("\r\n\r\n")
    assert json.loads(body) == {"status": "not ready", "database": WORDS}


def test_words_of_servers_stay_on_the_machine(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "is_near", lambda address: address != "127.0.0.1")
    answer = ask(server, "GET /readyz HTTP/1.0")
    assert " 503 " in answer
    _, _, body = answer.partition("\r\n\r\n")
    assert json.loads(body) == {"status": "not ready", "database": "see the log of the worker"}


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.7", False),
        ("::ffff:10.0.0.7", False),
        ("fe80::1%eth0", False),
    ],
)
def test_near_is_this_machine_alone(address: str, *, near: bool) -> None:
    assert is_near(address) is near


def test_an_answer_that_cannot_be_made_is_logged(
    server: HttpServer, registry: CollectorRegistry
) -> None:
    registry.register(Broken())
    with capture_logs() as lines:
        assert ask(server, "GET /metrics HTTP/1.0") == ""
    assert [line["event"] for line in lines] == ["http_request_failed"]
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError)
