"""Whether anybody asked for traces, and where they go: the standard variables `OTEL_*` say it."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import structlog
from typing_extensions import override

from outbox_worker.errors import SettingsError
from outbox_worker.timing.deadline import Deadline
from outbox_worker.tracing.spans import API, NoSpans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from outbox_worker.tracing.spans import Spans

ASKING: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
"""Who sets one of these wants traces."""

EXPORTERS: Final = "opentelemetry_traces_exporter"
"""The group of entry points under which packages offer exporters."""

PROTOCOLS: Final[Mapping[str, str]] = {
    "grpc": "otlp_proto_grpc",
    "http/protobuf": "otlp_proto_http",
}

UNNAMED: Final = "unknown_service"
"""How the SDK calls a service whose name nobody gave."""

AGAIN_S: Final = 60.0
"""Seconds from one line about the same trouble to the next: the SDK repeats it every 5 s."""

log = structlog.get_logger("traces")


def start(version: str, environment: Mapping[str, str] = os.environ) -> Spans:
    """Spans of this version; they go where `OTEL_*` says, or to the provider that is there already.

    None, and nothing is imported, where no variable asks for any.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return NoSpans()
    if _has_provider():
        from outbox_worker.tracing.otel import OtelSpans  # noqa: PLC0415  an extra

        return OtelSpans(version)
    names = _exporters(environment)
    if not names:
        return NoSpans()
    if not _has_sdk():
        log.warning(
            "traces_off",
            reason="a variable OTEL_* asks for traces, and OpenTelemetry is not installed",
            hint="pip install 'kafka-outbox-worker[otel]'",
        )
        return NoSpans()
    return _set_up(version, names)


def _has_provider() -> bool:
    """Whether `opentelemetry-instrument` has set one up in this process."""
    api = sys.modules.get(API)
    if api is None:
        return False
    return not isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


def _has_sdk() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:
        return False


def _exporters(environment: Mapping[str, str]) -> list[str]:
    """The names of the entry points of the exporters that are asked for."""
    given = {name: environment.get(name, "").strip() for name in ASKING}
    if not any(given.values()):
        return []
    names = [name.strip() for name in (given["OTEL_TRACES_EXPORTER"] or "otlp").split(",")]
    return [_entry_point(name, environment) for name in names if name not in {"", "none"}]


def _entry_point(name: str, environment: Mapping[str, str]) -> str:
    if name != "otlp":
        return name
    variable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
    protocol = environment.get(variable) or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    wanted = (protocol or "http/protobuf").strip()
    if wanted not in PROTOCOLS:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {wanted!r}, which no exporter speaks",
            f"Set it to one of {', '.join(sorted(PROTOCOLS))}",
        )
    return PROTOCOLS[wanted]


def _set_up(version: str, names: Iterable[str]) -> Spans:
    """A provider of the SDK: it reads resource, sampler and limits from the environment itself."""
    from opentelemetry import trace  # noqa: PLC0415  an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from outbox_worker.tracing.otel import OtelSpans  # noqa: PLC0415

    logging.getLogger("opentelemetry").addHandler(_Forward())
    logging.getLogger("opentelemetry").propagate = False
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith(UNNAMED):
        resource = resource.merge(Resource({"service.name": "outbox-worker"}))
    # At the end of the process it would wait for a collector that is away.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(_load(name)()))
    trace.set_tracer_provider(provider)
    return OtelSpans(version, provider.shutdown)


def _load(name: str) -> Any:  # noqa: ANN401  whatever the package offers
    found = next(iter(entry_points(group=EXPORTERS, name=name)), None)
    if found is None:
        offered = sorted({each.name for each in entry_points(group=EXPORTERS)})
        raise SettingsError(
            f"No package that is installed offers the exporter {name!r} for traces",
            f"Install one, or set OTEL_TRACES_EXPORTER; there are: {', '.join(offered)}",
        )
    return found.load()


class _Forward(logging.Handler):
    """OpenTelemetry's own complaints, a line each minute at most."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._rest = Deadline(0.0)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        say = log.debug
        if self._rest.passed:
            self._rest, say = Deadline(AGAIN_S), log.warning
        say("traces_not_sent", error=record.getMessage())
