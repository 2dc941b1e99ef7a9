#!/usr/bin/env bash
# OpenTelemetry's instrumentation of confluent-kafka: a record whose program gave a `traceparent` gets a second one.
#
# Head version: opentelemetry-instrumentation-confluent-kafka 0.66b1, opentelemetry-sdk 1.45.1, confluent-kafka 2.16.1
# (librdkafka's own mock cluster carries the records: it keeps headers as they are).
# Valid input: a relay passes on a message whose headers hold the W3C trace context of its author, in a process that runs
# under `opentelemetry-instrument`.
# Expected: the header that the caller gave stays the only one, or is replaced.
# Seen: the record has two headers `traceparent`, first the author's, then that of a span which the instrumentation made
# for the call. Readers that make a dict of the headers keep the last one: the author's context is lost to them. A
# program that imports the class from `confluent_kafka.cimpl` has one header.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

command -v python3 >/dev/null || { echo "cannot run here: no python3 in the PATH" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv environment
environment/bin/python -m pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1 \
  opentelemetry-instrumentation-confluent-kafka==0.66b1 opentelemetry-distro==0.66b1 opentelemetry-sdk==1.45.1

cat >relay.py <<'END'
import sys

import confluent_kafka
from confluent_kafka import cimpl

AUTHOR = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
PARTITIONS = 4  # of a topic of the mock cluster


def headers_seen(make, topic):
    producer = make({"test.mock.num.brokers": 1, "log_level": 0})
    producer.produce(topic, b"{}", headers=[AUTHOR])
    producer.flush(20)
    [broker] = producer.list_topics(timeout=20).brokers.values()
    consumer = cimpl.Consumer(
        {
            "bootstrap.servers": f"{broker.host}:{broker.port}",
            "group.id": "reader",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    consumer.assign(
        [cimpl.TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
    )
    message = consumer.poll(20)
    return [value for name, value in message.headers() if name == "traceparent"]


instrumented = headers_seen(confluent_kafka.Producer, "orders")
direct = headers_seen(cimpl.Producer, "orders")
print("confluent_kafka.Producer:", [value.decode() for value in instrumented])
print("confluent_kafka.cimpl.Producer:", [value.decode() for value in direct])
fine = len(instrumented) == 2 and instrumented[0] == AUTHOR[1] and direct == [AUTHOR[1]]
sys.exit(0 if fine else 1)
END
OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none \
  environment/bin/opentelemetry-instrument environment/bin/python relay.py \
  || { echo "CHANGED: a record has other headers than described"; exit 1; }
echo "AS DESCRIBED: the instrumented client adds a second traceparent"
