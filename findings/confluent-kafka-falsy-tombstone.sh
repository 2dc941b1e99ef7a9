#!/usr/bin/env bash
# confluent-kafka for Python: the message of a tombstone is false, so that `if not message` drops it.
#
# Head version: confluent-kafka 2.16.1. Broker: Apache Kafka 4.1.0.
# Valid input: three records of one key: a value, a tombstone (null value), a value.
# Expected: `poll()` gives None or a message, so that `if not message: continue`, as many
# loops have it, passes over None only.
# Seen: a Message has a length, that of its value, and no truth of its own: with a tombstone or an empty
# value it is false like None. The loop handles two of three records, and the commit of the
# last one passes the tombstone: a deletion is lost without an error.
# Way out: `if message is None: continue`.
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
venv/bin/pip install -q --disable-pip-version-check confluent-kafka==2.16.1
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
from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap = sys.argv[1]
producer = Producer({"bootstrap.servers": bootstrap})
for value in (b"placed", None, b"placed again"):
    producer.produce("orders", value, "key")
producer.flush()


def read(group: str, passed_over) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group,
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(["orders"])
    seen = []
    for _ in range(60):
        message = consumer.poll(1.0)
        if passed_over(message):
            continue
        seen.append(message.value())
        consumer.commit(message, asynchronous=False)
        if message.value() == b"placed again":
            break
    (committed,) = consumer.committed([TopicPartition("orders", 0)])
    print(f"{group}: {seen} committed {committed.offset} of 3")
    consumer.close()


read("if not message", lambda message: not message)
read("if message is None", lambda message: message is None)
END
venv/bin/python run.py "127.0.0.1:$port" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
if not message: [b'placed', b'placed again'] committed 3 of 3
if message is None: [b'placed', None, b'placed again'] committed 3 of 3
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: confluent-kafka no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a tombstone is false, and lost to \`if not message\`"
