"""Spans of a worker as a collector gets them, and what a worker does without one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from tests.harness.cluster import free_address
from tests.harness.collector import Collector
from tests.harness.waiting import wait_until
from tests.harness.workers import COMMAND, STOP_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.cluster import Cluster

WRITTEN: Final = "0af7651916cd43dd8448eb211c80319c"
SPAN: Final = "b7ad6b7169203331"
GIVEN: Final = f"00-{WRITTEN}-{SPAN}-01"

PUBLISH: Final = """
    SELECT outbox.publish(%s, 'key ' || n, 'order.placed', '{}', headers => %s::jsonb)
    FROM generate_series(1, %s) AS n"""
SUBMIT: Final = """
    SELECT outbox.submit('CreateStudent', 'key ' || n,
                         jsonb_build_object('first_name', 'Student', 'last_name', 'n' || n), 'test')
    FROM generate_series(1, %s) AS n"""
QUEUED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'queued'"
HEADERS: Final = "SELECT headers ->> 'traceparent' FROM outbox.event WHERE topic LIKE %s"

WAIT_S: Final = 30.0

CLIENT, CONSUMER = 3, 5
"""The kinds of spans in OTLP."""


@pytest.fixture(autouse=True)
def _no_other_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        yield collector


def publish(cluster: Cluster, count: int) -> None:
    with psycopg.connect(cluster.url) as link:
        link.execute(PUBLISH, (cluster.topics[0], json.dumps({"traceparent": GIVEN}), count))


def traceparents(cluster: Cluster) -> list[list[bytes]]:
    """By record that was read, the values of all its headers of that name."""
    return [
        [value for name, value in record.headers if name.lower() == "traceparent"]
        for record in tuple(cluster.subscriber.received)
    ]


def test_a_transaction_is_a_span_with_links_to_the_writers(
    cluster: Cluster, collector: Collector
) -> None:
    cluster.workers(1)
    publish(cluster, 300)
    cluster.assert_exactly_once(least=300)
    assert traceparents(cluster) == [[GIVEN.encode()]] * 300

    spans = collector.spans("send")
    assert {span.name for span in spans} == {f"send {cluster.topics[0]}"}
    assert sum(int(span.attributes["messaging.batch.message_count"]) for span in spans) == 300
    first = spans[0]
    assert (first.kind, first.is_error) == (CLIENT, False)
    assert first.attributes["messaging.system"] == "kafka"
    assert first.attributes["messaging.operation.type"] == "send"
    assert first.attributes["messaging.destination.name"] == cluster.topics[0]
    assert first.attributes["outbox.outcome"] == "committed"
    assert {link for span in spans for link in span.links} == {(WRITTEN, SPAN)}
    assert max(len(span.links) for span in spans) <= 128
    assert collector.services == {"outbox-worker"}


def test_an_event_of_a_command_carries_the_context_of_its_span(
    cluster: Cluster, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "school")
    worker = cluster.worker("--role", "commands", topic_prefix=f"{cluster.name}.")
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute(SUBMIT, (40,))
        link.execute("SELECT outbox.submit('NoSuchType', 'key', '{}', 'test')")
        wait_until(
            lambda: link.execute(QUEUED).fetchone() == (0,), WAIT_S, "the commands are executed"
        )
        written = [row[0] for row in link.execute(HEADERS, (f"{cluster.name}.%",))]
    assert worker.stop() == 0

    spans = collector.spans("process")
    assert {span.name for span in spans} == {"process CreateStudent", "process unknown"}
    assert {span.kind for span in spans} == {CONSUMER}
    done = [
        each for each in spans if each.attributes["outbox.outcome"] in {"succeeded", "rejected"}
    ]
    assert len({span.attributes["messaging.message.id"] for span in done}) == 41
    contexts = {f"00-{span.trace_id}-{span.span_id}" for span in done}
    # The last two digits are flags: sampled, and whether the id is random.
    assert len({each[:-3] for each in written} & contexts) == 41
    assert {each[:-3] for each in written} <= contexts
    [refused] = [each for each in spans if each.name == "process unknown"]
    assert refused.attributes["outbox.outcome"] == "rejected"
    assert not any(span.is_error for span in spans)
    assert collector.services == {"school"}


def test_the_automatic_instrumentation_does_no_harm(cluster: Cluster, collector: Collector) -> None:
    instrument = str(Path(sys.executable).parent / "opentelemetry-instrument")
    worker = cluster._start([instrument, COMMAND, "run"], {})
    wait_until(lambda: len(worker.shards) == 16, WAIT_S, "it has all shards")
    publish(cluster, 200)
    cluster.assert_exactly_once(least=200)
    assert traceparents(cluster) == [[GIVEN.encode()]] * 200
    spans = collector.spans("")
    sent = [span for span in spans if span.attributes.get("messaging.system") == "kafka"]
    assert {span.name for span in sent} == {f"send {cluster.topics[0]}"}
    assert sum(int(span.attributes["messaging.batch.message_count"]) for span in sent) == 200


def test_a_collector_that_is_away_holds_nothing_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{free_address()}")
    [worker] = cluster.workers(1)
    publish(cluster, 100)
    cluster.await_caught_up()
    wait_until(lambda: worker.said("traces_not_sent"), WAIT_S, "it says that no trace arrives")
    began = time.monotonic()
    assert worker.stop() == 0
    assert worker.said("stopped")
    assert time.monotonic() - began < 2 * STOP_S


def test_an_exporter_that_there_is_not_is_a_wrong_setting(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkim")
    worker = cluster.worker("--role", "commands")
    assert worker.await_end() == 2
    assert "zipkim" in worker.log.read_text(encoding="utf-8")


def test_nothing_is_imported_where_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    look = (
        "import sys\n"
        "import outbox_worker.wiring, outbox_school.school\n"
        "from outbox_worker.tracing.start import start\n"
        "start('1')\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
