"""The worker's HTTP side: `/metrics`, `/livez`, `/readyz`, and nothing else."""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from typing_extensions import override

from outbox_worker.errors import SettingsError
from outbox_worker.settings import split_address

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from outbox_worker.observe.health import Health


class _Handler(BaseHTTPRequestHandler):
    health: ClassVar[Health]
    registry: ClassVar[CollectorRegistry]
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
                self._judge("not ready", self.health.unready())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /livez /readyz\n")

    do_HEAD = do_GET  # noqa: N815  the library looks for this name

    def _judge(self, verdict: str, faults: dict[str, str]) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if faults else HTTPStatus.OK
        body = json.dumps({"status": verdict if faults else "ok", **faults}).encode()
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


class _ServerOfIPv6(ThreadingHTTPServer):
    address_family: int = socket.AF_INET6


class HttpServer:
    """Serves in a thread of its own until `close`."""

    def __init__(self, address: str, health: Health, registry: CollectorRegistry) -> None:
        """Bind `address`; `SettingsError` where that cannot be."""
        handler = type("Handler", (_Handler,), {"health": health, "registry": registry})
        host, port = split_address(address)
        server = _ServerOfIPv6 if ":" in host else ThreadingHTTPServer
        try:
            self._server = server((host, port), handler)
        except OSError as error:
            raise SettingsError(
                f"OUTBOX_HTTP_ADDRESS {address} cannot be bound: {error.strerror}",
                "Give each worker of a machine its own port, or set it empty to go without",
            ) from error
        self._server.daemon_threads = True
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
