"""The worker's HTTP side: `/metrics`, `/livez`, `/readyz`, and nothing else.

Nobody can take a worker's threads or memory through it: connections are bounded in number,
and each in the time that its request and its answer may take.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Final

import structlog
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from typing_extensions import override

from outbox_worker.errors import SettingsError
from outbox_worker.settings import split_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

    from outbox_worker.observe.health import Health

MOST_CONNECTIONS: Final = 32
"""A scraper and some probes need three. One more takes the place of the oldest whose request is
not complete, so that those who send nothing keep no probe out."""

REQUEST_S: Final = 5.0
"""In all for a request to arrive: a probe's comes within a millisecond."""

SEND_S: Final = 5.0
"""In all for an answer to be taken."""

SEE_THE_LOG: Final = "see the log of the worker"

log = structlog.get_logger("http")


def is_near(address: str) -> bool:
    """Whether a client's address is one of this machine alone."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


class _Handler(BaseHTTPRequestHandler):
    health: ClassVar[Health]
    registry: ClassVar[CollectorRegistry]
    server: _Server  # type: ignore[mutable-override] # made for this server only
    server_version = "outbox-worker"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer the three paths; a HEAD gets the same without the body."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.registry))
            case "/livez":
                self._judge("not live", dict.fromkeys(self.health.stuck(), "has not moved"))
            case "/readyz":
                self._judge("not ready", self._told(self.health.unready()), self.health.shards)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /livez /readyz\n")

    do_HEAD = do_GET  # noqa: N815  the library looks for this name

    @override
    def parse_request(self) -> bool:
        complete = super().parse_request()
        self.server.request_is_complete(self.request)
        return complete

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The status alone: the library's page repeats what the client sent."""
        status = HTTPStatus(code)
        self.close_connection = True
        self._answer(status, "text/plain", f"{status.phrase}\n".encode())

    def _told(self, faults: dict[str, str]) -> dict[str, str]:
        """The words of servers name hosts and users: they do not leave the machine."""
        if is_near(self.client_address[0]):
            return faults
        return dict.fromkeys(faults, SEE_THE_LOG)

    def _judge(
        self, verdict: str, faults: dict[str, str], shards: Mapping[str, int] | None = None
    ) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if faults else HTTPStatus.OK
        shown = {"shards": dict(shards)} if shards else {}
        body = json.dumps({"status": verdict if faults else "ok", **faults, **shown}).encode()
        self._answer(status, "application/json", body + b"\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe every second is no change of state."""


class _Server(ThreadingHTTPServer):
    """A thread for each connection, of which there are at most `MOST_CONNECTIONS`."""

    daemon_threads = True
    # Of the library's 5 a burst fills all, and a probe is tried again only after a second.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._incomplete: dict[socket.socket, float] = {}
        super().__init__(address, handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                self._end(next(iter(self._incomplete), None))
            is_full = len(self._connections) >= MOST_CONNECTIONS
            if not is_full:
                self._connections.add(request)
                self._incomplete[request] = time.monotonic()
        if is_full:
            # All of them are being answered: that is bounded, too.
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    @override
    def service_actions(self) -> None:
        """End those whose request takes too long, however steadily its bytes drip in."""
        late = time.monotonic() - REQUEST_S
        with self._lock:
            for request in [each for each, began in self._incomplete.items() if began < late]:
                self._end(request)

    def request_is_complete(self, request: socket.socket) -> None:
        """From here on its time is bounded by that of the answer."""
        with self._lock:
            self._incomplete.pop(request, None)

    @override
    def shutdown_request(self, request: Any) -> None:
        self._forget(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's fault; all else is ours."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("http_request_failed", exc_info=error)

    def _end(self, request: socket.socket | None) -> None:
        """Wake the thread that reads from it: it closes the connection."""
        if request is None:
            return
        self._incomplete.pop(request, None)
        self._connections.discard(request)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)

    def _forget(self, request: socket.socket) -> None:
        with self._lock:
            self._incomplete.pop(request, None)
            self._connections.discard(request)


class _ServerOfIPv6(_Server):
    address_family: int = socket.AF_INET6


class HttpServer:
    """Serves in a thread of its own until `close`."""

    def __init__(self, address: str, health: Health, registry: CollectorRegistry) -> None:
        """Bind `address`; `SettingsError` where that cannot be."""
        # One call of `sendall` takes no longer; how long reading takes the server sees to.
        given = {"health": health, "registry": registry, "timeout": SEND_S}
        handler = type("Handler", (_Handler,), given)
        host, port = split_address(address)
        server = _ServerOfIPv6 if ":" in host else _Server
        try:
            self._server = server((host, port), handler)
        except OSError as error:
            raise SettingsError(
                f"OUTBOX_HTTP_ADDRESS {address} cannot be bound: {error.strerror}",
                "Give each worker of a machine its own port, or set it empty to go without",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is bound, also where the setting said 0."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
