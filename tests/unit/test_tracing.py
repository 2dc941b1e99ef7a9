"""Which contexts of writers a span links to, and which variables ask for traces."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from opentelemetry import trace

from outbox_worker.application.event import CommandRejected, Problem, drafts_of
from outbox_worker.errors import SettingsError
from outbox_worker.position.row import HEADERS
from outbox_worker.tracing import start
from outbox_worker.tracing.otel import MOST_LINKS, _links
from outbox_worker.tracing.spans import NoSpans, traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def row(headers: str | None) -> Any:  # noqa: ANN401  a row of 13 columns
    cells: list[object] = [None] * 13
    cells[HEADERS] = headers
    return tuple(cells)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-00", True),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        ("00-ab", False),
        ("", False),
    ],
)
def test_only_a_valid_context_is_linked_to(value: str, is_one: bool) -> None:
    found = list(_links([row(None), row(f'{{"a": "b", "traceparent": "{value}"}}')]))
    assert [f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in found] == (
        [f"{TRACE}-{SPAN}"] if is_one else []
    )


def test_a_text_that_speaks_of_one_is_none() -> None:
    assert not list(_links([row(f'{{"a": "\\"traceparent\\": \\"00-{TRACE}-{SPAN}-01\\""}}')]))


def test_a_span_has_a_bounded_number_of_links() -> None:
    rows = [row(f'{{"traceparent": "00-{TRACE}-{n:016x}-01"}}') for n in range(1, 1_000)]
    found = list(_links(rows))
    assert [link.context.span_id for link in found] == list(range(1, MOST_LINKS + 1))


def test_an_event_carries_the_context_of_a_callers_own_span() -> None:
    context = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), is_remote=False)
    event = CommandRejected(
        command_key="k",
        command_id="b7ad6b71-6920-4331-9d2a-0af7651916cd",
        command_type="T",
        error=Problem(code="C", message="m", details={}),
        correlation_id="b7ad6b71-6920-4331-9d2a-0af7651916cd",
        occurred_at="2026-01-01T00:00:00Z",
    )
    assert traceparent() is None
    assert "traceparent" not in drafts_of([event], "")[0].headers
    with trace.use_span(trace.NonRecordingSpan(context)):
        [draft] = drafts_of([event], "")
    assert draft.headers == (
        '{"correlation-id": "b7ad6b71-6920-4331-9d2a-0af7651916cd", '
        f'"traceparent": "00-{TRACE}-{SPAN}-00"}}'
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_SERVICE_NAME": "orders"},
    ],
)
def test_traces_are_off_unless_a_variable_asks(environment: dict[str, str]) -> None:
    assert isinstance(start.start("1", environment), NoSpans)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkim"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "smoke"),
    ],
)
def test_an_exporter_that_no_package_offers_is_named(name: str, value: str) -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", name: value}
    with pytest.raises(SettingsError, match=value):
        start.start("1", environment)


def test_without_the_packages_the_worker_runs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = start.start("1", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    assert isinstance(found, NoSpans)
    assert "traces_off" in capsys.readouterr().out
