#!/usr/bin/env bash
# Python cloudevents: a null header of any name makes an event unreadable.
#
# Head version: cloudevents 2.2.0, read with confluent-kafka 2.16.1. Broker: Apache Kafka 4.1.0.
# Valid input: two CloudEvents in Kafka's binary mode, alike but that the second has one more header,
# `trace`, which is no attribute and whose value is null, as Kafka's protocol allows.
# Expected: two events. A header without the prefix `ce_` is none of the SDK's business: it leaves
# one with a value out.
# Seen: the first is read. The second raises AttributeError ('NoneType' object has no attribute
# 'decode'), since each header's value is decoded before its name is looked at.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3; do
  command -v "$tool" >/dev/null || { echo "cannot run here: no $tool in the PATH" >&2; exit 2; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
broker=
finish() {
  if [ -n "$broker" ]; then kill -9 "$broker" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM
cd "$work"

# One Kafka 4.1.0 in this folder, and a Python with confluent-kafka as the writer.
cat >pom.xml <<'END'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.0</version>
    </dependency>
  </dependencies>
</project>
END
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$work/jars" >mvn.log 2>&1 || { cat mvn.log >&2; exit 2; }
read -r port controller < <(python3 -c '
import socket
ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(port.getsockname()[1] for port in ports))')
cat >server.properties <<END
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:$controller
log.dirs=$work/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
END
java -XX:-UsePerfData -cp "$work/jars/*" kafka.tools.StorageTool format --cluster-id=AAAAAAAAAAAAAAAAAAAAAA \
  --config server.properties >format.log 2>&1 || { cat format.log >&2; exit 2; }
java -XX:-UsePerfData -Xmx512m -cp "$work/jars/*" kafka.Kafka server.properties >kafka.log 2>&1 &
broker=$!
disown "$broker"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1 \
  cloudevents==2.2.0
cat >ready.py <<'END'
import sys
from confluent_kafka.admin import AdminClient
admin = AdminClient({"bootstrap.servers": sys.argv[1], "log_level": 0})
for _ in range(60):
    try:
        admin.list_topics(timeout=2)
    except Exception as error:
        last = error
    else:
        break
else:
    sys.exit(f"Kafka did not start: {last}")
END
venv/bin/python ready.py "127.0.0.1:$port" || { tail -20 kafka.log >&2; exit 2; }

cat >run.py <<'END'
import sys
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import Consumer, Producer

bootstrap = sys.argv[1]
attributes = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/finding"),
              ("ce_type", b"order.placed"), ("content-type", b"application/json")]
producer = Producer({"bootstrap.servers": bootstrap})
for more in ([("trace", b"x")], [("trace", None)]):
    producer.produce("orders", b'{"total": 10}', "key", headers=[*attributes, *more])
producer.flush()
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader",
                     "auto.offset.reset": "earliest"})
consumer.subscribe(["orders"])
seen = 0
for _ in range(60):
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    headers = dict(message.headers())
    try:
        event = from_kafka_event(
            KafkaMessage(headers=headers, key=message.key(), value=message.value()))
        print("trace", headers["trace"], "->", event.get_data())
    except AttributeError as error:
        print("trace", headers["trace"], "->", error)
    seen += 1
    if seen == 2:
        break
consumer.close()
END
venv/bin/python run.py "127.0.0.1:$port" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
trace b'x' -> {'total': 10}
trace None -> 'NoneType' object has no attribute 'decode'
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: cloudevents no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a null header that is no attribute makes the event unreadable"
