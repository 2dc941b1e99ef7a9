"""A collector of OpenTelemetry that keeps the spans it is sent (OTLP over HTTP)."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from typing_extensions import override

if TYPE_CHECKING:
    from types import TracebackType

PATH: Final = "/v1/traces"


class Collector:
    """Listens for as long as its block lasts."""

    def __init__(self) -> None:
        """Take any free port."""
        self._requests: list[ExportTraceServiceRequest] = []
        requests = self._requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == PATH:
                    requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def services(self) -> set[str]:
        """The names of the services that sent spans."""
        return {
            str(_attributes(resource.resource)["service.name"])
            for request in list(self._requests)
            for resource in request.resource_spans
        }

    def spans(self, start: str) -> list[ReceivedSpan]:
        """The spans received so far whose names begin so."""
        return [
            ReceivedSpan(span)
            for request in list(self._requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.name.startswith(start)
        ]


class ReceivedSpan:
    """A span as the collector got it; ids are in hexadecimal."""

    def __init__(self, span: Any) -> None:  # noqa: ANN401  protobuf's own
        """Read what tests look at."""
        self.name: str = span.name
        self.trace_id: str = span.trace_id.hex()
        self.span_id: str = span.span_id.hex()
        self.kind: int = span.kind
        self.is_error = span.status.code == 2
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in span.links]
        self.attributes = _attributes(span)


def _attributes(holder: Any) -> dict[str, str | int]:  # noqa: ANN401  protobuf's own
    return {each.key: each.value.string_value or each.value.int_value for each in holder.attributes}
