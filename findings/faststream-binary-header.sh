#!/usr/bin/env bash
# FastStream: a record with a header that is no UTF-8 never reaches the handler, and its offset is
# committed.
#
# Head version: faststream 0.7.8 with confluent-kafka 2.16.1. Broker: Apache Kafka 4.1.0.
# Valid input: two records with JSON data. The first has the header `__value_schema_id`, as Confluent's
# HeaderSchemaIdSerializer writes it: a byte 01 and the 16 bytes of a UUID. Kafka's headers are bytes.
# Expected: the handler is called twice, or the first record stays uncommitted.
# Seen: the headers are decoded as UTF-8 before the handler is called, UnicodeDecodeError goes to the
# log, the handler is called for the second record only, and the group's offset passes both.
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
import uuid
from typing import Any
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient
from faststream.confluent import KafkaBroker

bootstrap = sys.argv[1]
schema_id = b"\x01" + uuid.UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479").bytes
producer = Producer({"bootstrap.servers": bootstrap})
producer.produce("orders", b'{"n": 1}', "key", headers=[("__value_schema_id", schema_id)])
producer.produce("orders", b'{"n": 2}', "key")
producer.flush()


async def read() -> list[Any]:
    seen: list[Any] = []
    end = asyncio.Event()
    broker = KafkaBroker(bootstrap, logger=None)

    @broker.subscriber("orders", group_id="reader", auto_offset_reset="earliest")
    async def handle(body: Any) -> None:
        seen.append(body)
        if body == {"n": 2}:
            end.set()

    async with broker:
        await broker.start()
        await asyncio.wait_for(end.wait(), 60)
    return seen


admin = AdminClient({"bootstrap.servers": bootstrap})
seen = asyncio.run(read())
answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("reader")])
(partition,) = answer["reader"].result().topic_partitions
print(seen, "committed", partition.offset, "of 2")
END
venv/bin/python run.py "127.0.0.1:$port" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
echo "[{'n': 2}] committed 2 of 2" >expected.txt
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: FastStream no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: the record with a header of bytes is passed over and committed"
