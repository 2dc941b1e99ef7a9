"""The proxy does what it says; else a test with it proves nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Final

import pytest
from typing_extensions import override

from tests.harness.proxy import Proxy
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Iterator


ANSWER_S: Final = patient(20)


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets."""

    @override
    def handle(self) -> None:
        try:
            while data := self.request.recv(65_536):
                self.request.sendall(data)
        except OSError:
            return  # The connection was cut: that is what it is here for.


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield ("127.0.0.1", int(server.server_address[1]))
        server.shutdown()
        thread.join()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), ANSWER_S)


def exchange(sock: socket.socket, data: bytes) -> bytes:
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    found = b""
    while len(found) < len(data) and (part := sock.recv(65_536)):
        found += part
    sender.join()
    return found


def exchange_until_cut(sock: socket.socket) -> None:
    sock.sendall(b"x" * 5_000)
    got = 0
    while got < 2_000:
        part = sock.recv(5_000)
        assert part, "it was closed, not cut"
        got += len(part)


def test_bytes_go_through_unchanged(echo: tuple[str, int]) -> None:
    data = bytes(range(256)) * 20_000
    with Proxy(echo) as proxy, connect(proxy) as sock:
        assert exchange(sock, data) == data


def test_a_cut_is_noticed_by_the_client(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as sock:
        assert exchange(sock, b"here") == b"here"
        proxy.cut()
        with pytest.raises(ConnectionError):
            sock.recv(1)
        assert proxy.cuts == 1


def test_connections_are_cut_after_some_bytes_and_new_ones_work(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy:
        proxy.cut_after(1_000, 2_000)
        with connect(proxy) as sock, pytest.raises(ConnectionError):
            exchange_until_cut(sock)
        proxy.heal()
        with connect(proxy) as sock:
            assert exchange(sock, b"y" * 5_000) == b"y" * 5_000


def test_silence_holds_everything_back_until_it_ends(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as sock:
        assert exchange(sock, b"here") == b"here"
        proxy.fall_silent()
        sock.settimeout(0.3)
        sock.sendall(b"there")
        with pytest.raises(TimeoutError):
            sock.recv(5)
        proxy.heal()
        sock.settimeout(ANSWER_S)
        assert sock.recv(5) == b"there"


def test_delay_holds_back_for_its_time(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as sock:
        proxy.delay(0.3)
        began = time.monotonic()
        assert exchange(sock, b"late") == b"late"
        assert time.monotonic() - began >= 2 * 0.3


def test_a_thin_link_lets_so_many_bytes_a_second_through(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, connect(proxy) as sock:
        proxy.throttle(100_000)
        began = time.monotonic()
        assert exchange(sock, b"x" * 50_000) == b"x" * 50_000
        assert time.monotonic() - began >= 0.4
        proxy.heal()
        assert exchange(sock, b"y" * 1_000_000) == b"y" * 1_000_000
