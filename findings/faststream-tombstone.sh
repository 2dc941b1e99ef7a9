#!/usr/bin/env bash
# FastStream: a tombstone whose content type is JSON never reaches the handler, and its offset is
# committed.
#
# Head version: faststream 0.7.8 with confluent-kafka 2.16.1. Broker: Apache Kafka 4.1.0.
# Valid input: three records of one key: {"n": 1}, a tombstone (null value), {"n": 2}, each with
# the header `content-type: application/json`; then the same three in topic `plain` where the
# tombstone has no such header.
# Expected: the handler is called three times, or the tombstone stays uncommitted.
# Seen: with the header the empty body is given to the JSON decoder, `JSONDecodeError` goes to the
# log, the handler is called twice and the group's offset passes the tombstone: a deletion is
# lost. Without the header the handler is called three times; the tombstone's body is b"".
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
  'faststream[confluent]==0.7.8'
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
import asyncio
import sys
from typing import Any
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient
from faststream.confluent import KafkaBroker

bootstrap = sys.argv[1]
JSON = [("content-type", b"application/json")]
producer = Producer({"bootstrap.servers": bootstrap})
for topic, headers in (("labelled", JSON), ("plain", [])):
    producer.produce(topic, b'{"n": 1}', "key", headers=JSON)
    producer.produce(topic, None, "key", headers=headers)
    producer.produce(topic, b'{"n": 2}', "key", headers=JSON)
producer.flush()


async def read(topic: str) -> list[Any]:
    seen: list[Any] = []
    end = asyncio.Event()
    broker = KafkaBroker(bootstrap, logger=None)

    @broker.subscriber(topic, group_id=topic, auto_offset_reset="earliest")
    async def handle(body: Any) -> None:
        seen.append(body)
        if body == {"n": 2}:
            end.set()

    async with broker:
        await broker.start()
        await asyncio.wait_for(end.wait(), 60)
    return seen


admin = AdminClient({"bootstrap.servers": bootstrap})
for topic in ("labelled", "plain"):
    seen = asyncio.run(read(topic))
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])
    (partition,) = answer[topic].result().topic_partitions
    print(topic, seen, "committed", partition.offset, "of 3")
END
venv/bin/python run.py "127.0.0.1:$port" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
labelled [{'n': 1}, {'n': 2}] committed 3 of 3
plain [{'n': 1}, b'', {'n': 2}] committed 3 of 3
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: FastStream no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: the tombstone with a content type is passed over and committed"
