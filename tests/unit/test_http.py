"""The HTTP side binds what the setting says, of either family of addresses."""

from __future__ import annotations

import errno
import socket
import urllib.request
from contextlib import closing
from typing import NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from outbox_worker.errors import SettingsError
from outbox_worker.observe.health import Health
from outbox_worker.observe.http import HttpServer


def serve(address: str) -> HttpServer:
    return HttpServer(address, Health(), CollectorRegistry())


def answers(host: str) -> bool:
    """Whether a server for this host answers there."""
    with closing(serve(f"{host}:0")) as server:
        url = f"http://{host}:{server.port}/livez"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)


def lack_of_ipv6() -> int:
    """Why this machine (often a container) has no address of IPv6; 0 where it has."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        return error.errno or errno.EAFNOSUPPORT
    return 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])  # noqa: S104  a setting
def test_a_worker_answers_at_the_address_of_the_setting(host: str) -> None:
    assert answers(host)


@pytest.mark.parametrize("host", ["[::1]", "[::]"])
def test_a_worker_answers_at_an_address_of_ipv6(host: str) -> None:
    lack = lack_of_ipv6()
    if not lack:
        assert answers(host)
    else:
        with pytest.raises(SettingsError) as caught:
            serve("[::1]:0")
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == lack


def test_a_head_is_answered_like_a_get_without_the_body() -> None:
    with closing(serve("127.0.0.1:0")) as server:
        for path, status in (("/livez", 200), ("/readyz", 200), ("/", 404)):
            answers = [ask(server.port, method, path) for method in ("GET", "HEAD")]
            assert [each.status for each in answers] == [status, status]
            assert answers[1].length == answers[0].length == len(answers[0].body)
            assert answers[1].body == b""


class Answer(NamedTuple):
    """What came back."""

    status: int
    length: int
    body: bytes


def ask(port: int, method: str, path: str) -> Answer:
    """All that the server sends until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: link.recv(65_536), b"")).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    return Answer(int(lines[0].split()[1]), int(fields["Content-Length"]), body)


def test_an_address_that_is_taken_names_the_setting() -> None:
    with closing(serve("127.0.0.1:0")) as server:
        address = f"127.0.0.1:{server.port}"
        with pytest.raises(SettingsError, match=f"OUTBOX_HTTP_ADDRESS {address} cannot be bound"):
            serve(address)
