"""A TCP proxy that knows requests of Kafka: it delivers one late, or bars those who send some.

The client of a request that is held back is cut off meanwhile, and mostly sends it once more on
another connection: what is held is then a request whose answer nobody waits for any more.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from tests.harness.proxy import RESET
from tests.harness.waiting import patient

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.harness.proxy import Address

END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28
"""Numbers of requests in Kafka's protocol."""

ANSWER_S: Final = patient(30)


class _Link:
    """One connection: the client's side and the broker's."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self.client, self.broker = client, broker
        self.late = b""
        self.answered = threading.Event()


class Detour:
    """Forwards to `upstream`. A context manager; it holds one request at a time."""

    def __init__(self, upstream: Address, port: int) -> None:
        """Listen on `port` of 127.0.0.1."""
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", port))
        self._wanted: int | None = None
        self._barred: int | None = None
        self._held: _Link | None = None
        self._lock = threading.Lock()
        self._links: list[_Link] = []

    def __enter__(self) -> Self:
        _start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _end(self._listener)
        with self._lock:
            for link in self._links:
                _end(link.client)
                _end(link.broker)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def holds(self) -> bool:
        """Whether a request is held back."""
        return self._held is not None

    def hold(self, api: int) -> None:
        """Hold the next request of this kind back, and cut its client off."""
        self._wanted = api

    def let_go(self) -> None:
        """Deliver what is held, and wait until the broker has answered it."""
        link, self._held = self._held, None
        assert link is not None, "no request is held"
        link.answered.clear()
        link.broker.sendall(link.late)
        assert link.answered.wait(ANSWER_S), "the broker does not answer what came late"

    def bar(self, api: int) -> None:
        """Let no new connection in, and cut those on which a request of this kind comes."""
        self._barred = api

    def unbar(self) -> None:
        """Let new connections in again."""
        self._barred = None

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._barred is not None:
                    _reset(client)
                    continue
                link = _Link(client, socket.create_connection(self._upstream))
                with self._lock:
                    self._links.append(link)
                for side in (link.client, link.broker):
                    side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _start(self._requests, link)
                _start(_answers, link)

    def _requests(self, link: _Link) -> None:
        with suppress(OSError), link.client.makefile("rb") as stream:
            while len(size := stream.read(4)) == 4:
                request = size + stream.read(struct.unpack(">i", size)[0])
                kind = struct.unpack(">h", request[4:6])[0]
                if kind == self._wanted:
                    self._wanted, link.late = None, request
                    break
                if kind == self._barred:
                    _reset(link.client)
                    break
                link.broker.sendall(request)
        if link.late:
            _reset(link.client)
            self._held = link
        else:
            _end(link.broker)


def _answers(link: _Link) -> None:
    with suppress(OSError):
        while data := link.broker.recv(65_536):
            link.answered.set()
            if not link.late:
                link.client.sendall(data)
    if not link.late:
        _end(link.client)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def _start(work: Callable[..., None], *given: _Link) -> None:
    threading.Thread(target=work, args=given, name="detour", daemon=True).start()
