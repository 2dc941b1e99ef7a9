#!/usr/bin/env bash
# FastStream's Confluent backend turns librdkafka's read_committed into read_uncommitted.
#
# Head version: faststream 0.7.8 with confluent-kafka 2.16.1. Broker: Apache Kafka 4.1.0.
# Valid input: one producer commits c1, aborts a1, commits c2.
# Expected: with no isolation level set, what librdkafka does with none set: read_committed, so
# that c1 and c2 arrive.
# Seen: confluent-kafka alone gives c1 c2; a FastStream subscriber with no isolation level gives
# c1 a1 c2, because the subscriber passes `isolation.level=read_uncommitted` of its own.
# Way out: `broker.subscriber(..., isolation_level="read_committed")`.
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

cat >write.py <<'END'
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "writer"})
producer.init_transactions()
for value, commit in (("c1", True), ("a1", False), ("c2", True)):
    producer.begin_transaction()
    producer.produce("orders", value, "key")
    producer.flush()
    producer.commit_transaction() if commit else producer.abort_transaction()
END
venv/bin/python write.py "127.0.0.1:$port"

cat >read.py <<'END'
import asyncio
import sys
from confluent_kafka import Consumer
from faststream.confluent import KafkaBroker

bootstrap = sys.argv[1]


def alone() -> list[str]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "alone",
                         "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    seen: list[str] = []
    for _ in range(60):
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            seen.append(message.value().decode())
            if seen[-1] == "c2":
                break
    consumer.close()
    return seen


async def faststream(name: str, **options: str) -> list[str]:
    seen: list[str] = []
    end = asyncio.Event()
    broker = KafkaBroker(bootstrap, logger=None)

    @broker.subscriber("orders", group_id=name, auto_offset_reset="earliest", **options)
    async def handle(body: bytes) -> None:
        seen.append(body.decode() if isinstance(body, bytes) else body)
        if seen[-1] == "c2":
            end.set()

    async with broker:
        await broker.start()
        await asyncio.wait_for(end.wait(), 60)
    return seen


print("confluent-kafka:", *alone())
print("faststream:", *asyncio.run(faststream("default")))
committed = asyncio.run(faststream("committed", isolation_level="read_committed"))
print("faststream, isolation_level=read_committed:", *committed)
END
venv/bin/python read.py "127.0.0.1:$port" >seen.txt 2>read.log || { cat read.log >&2; exit 2; }
cat >expected.txt <<'END'
confluent-kafka: c1 c2
faststream: c1 a1 c2
faststream, isolation_level=read_committed: c1 c2
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: FastStream no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a FastStream subscriber reads uncommitted records unless it is told otherwise"
