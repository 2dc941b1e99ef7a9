#!/usr/bin/env bash
# A group that has read everything keeps a lag above 0 behind a transaction, if it commits by message.
#
# Head version: confluent-kafka 2.16.1 (librdkafka 2.16.0). Broker: Apache Kafka 4.1.0.
# Valid input: topic `orders`: three records in a committed transaction. Topic `aborted`: the same,
# and then an aborted transaction of four records.
# Expected: lag 0 once all three records are read and committed.
# Seen: the client's own position, auto-committed, passes the marker: lag 0 in both. `commit(message)`
# and `store_offsets(message)` commit the message's offset + 1, which stays before the marker and
# before whatever was aborted after the last message: lag 1 in `orders`, 6 in `aborted`, for ever.
# The same holds for each client that commits "last message + 1".
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
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

bootstrap = sys.argv[1]
admin = AdminClient({"bootstrap.servers": bootstrap})
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "writer"})
producer.init_transactions()
for topic, records, commit in (("orders", 3, True), ("aborted", 3, True), ("aborted", 4, False)):
    producer.begin_transaction()
    for _ in range(records):
        producer.produce(topic, "value", "key")
    producer.flush()
    producer.commit_transaction() if commit else producer.abort_transaction()

WAYS = {
    "position, auto-committed": {},
    "commit(message)": {"enable.auto.commit": False},
    "store_offsets(message)": {"enable.auto.offset.store": False},
}


def lag(topic: str, way: str) -> int:
    group = f"{topic} {way}"
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group,
                         "auto.offset.reset": "earliest", **WAYS[way]})
    consumer.subscribe([topic])
    seen = silent = 0
    for _ in range(90):
        message = consumer.poll(1.0)
        if message is None:
            silent += seen == 3
            if silent == 4:
                break
            continue
        seen += 1
        if way == "commit(message)":
            consumer.commit(message, asynchronous=False)
        elif way == "store_offsets(message)":
            consumer.store_offsets(message)
    if seen != 3:
        sys.exit(f"{group}: {seen} records of 3")
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0))
    consumer.close()
    answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    (partition,) = answer[group].result().topic_partitions
    return end - partition.offset


for topic in ("orders", "aborted"):
    for way in WAYS:
        print(f"{topic}: {way}: lag {lag(topic, way)}")
END
venv/bin/python run.py "127.0.0.1:$port" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
orders: position, auto-committed: lag 0
orders: commit(message): lag 1
orders: store_offsets(message): lag 1
aborted: position, auto-committed: lag 0
aborted: commit(message): lag 6
aborted: store_offsets(message): lag 6
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: the lag is no longer what this page says"; exit 1; }
echo "AS DESCRIBED: a lag above 0 that no reading clears"
