#!/usr/bin/env bash
# npm cloudevents cannot read a message as KafkaJS hands it over: it wants strings as headers.
#
# Head version: cloudevents 10.0.0 with kafkajs 2.2.4 (npm). Broker: Apache Kafka 4.1.0.
# Valid input: one CloudEvent in Kafka's binary mode, with JSON data, and a tombstone with the same
# attributes (a null value, no content type).
# Expected: `Kafka.toEvent(message)` gives the event; its documentation shows it beside KafkaJS.
# Seen: `Kafka.isEvent(message)` says true and `Kafka.toEvent(message)` raises
# "TypeError: ... startsWith is not a function", since KafkaJS gives header values as Buffers.
# With the values made strings the event is read. A tombstone without content type raises a TypeError
# all the same.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3 npm node; do
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

cat >write.py <<'END'
import sys
from confluent_kafka import Producer
attributes = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/finding"),
              ("ce_type", b"order.placed")]
producer = Producer({"bootstrap.servers": sys.argv[1]})
json = [*attributes, ("content-type", b"application/json")]
producer.produce("orders", b'{"total": 10}', "key", headers=json)
producer.produce("orders", None, "key", headers=attributes)
producer.flush()
END
venv/bin/python write.py "127.0.0.1:$port"

mkdir js
cd js
cat >package.json <<'END'
{"name": "finding", "private": true, "dependencies": {"cloudevents": "10.0.0", "kafkajs": "2.2.4"}}
END
npm install --no-audit --no-fund --no-package-lock --silent >npm.log 2>&1 || { cat npm.log >&2; exit 2; }
cat >read.js <<'END'
const { Kafka: Broker, logLevel } = require('kafkajs')
const { Kafka } = require('cloudevents')
const attempt = message => {
  try {
    return JSON.stringify(Kafka.toEvent(message).data)
  } catch (error) {
    return error.name
  }
}
const strings = ({ headers, ...rest }) => ({
  ...rest,
  headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString()]))
})
const main = async () => {
  const broker = new Broker({ brokers: [process.argv[2]], logLevel: logLevel.NOTHING })
  const consumer = broker.consumer({ groupId: 'reader' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  await new Promise((resolve, reject) => {
    setTimeout(reject, 60_000, new Error('nothing came')).unref()
    consumer.run({
      eachMessage: async ({ message }) => {
        console.log(message.value === null ? 'tombstone' : 'event', Kafka.isEvent(message),
          attempt(message), attempt(strings(message)))
        if (message.value === null) resolve()
      }
    })
  })
  await consumer.disconnect()
}
main().catch(error => { console.error(error); process.exit(2) })
END
KAFKAJS_NO_PARTITIONER_WARNING=1 node read.js "127.0.0.1:$port" >../seen.txt 2>node.log ||
  { cat node.log >&2; exit 2; }
cd ..
cat >expected.txt <<'END'
event true TypeError {"total":10}
tombstone true TypeError TypeError
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: cloudevents no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: an event is read only after its headers were made strings"
