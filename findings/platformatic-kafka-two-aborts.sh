#!/usr/bin/env bash
# @platformatic/kafka shows aborted records under read_committed when one response holds two
# aborted transactions of one producer.
#
# Head version: @platformatic/kafka 2.12.1 on Node 22.23.3 (both from npm). Broker: Kafka 4.1.0.
# Valid input: topic `one`: c1 committed, a1 aborted, c2 committed. Topic `two`: c1 committed,
# a1 aborted, b1 aborted, c2 committed; all by one producer, each within one fetch response.
# Expected of its default isolation level READ_COMMITTED: c1 and c2 of either topic.
# Seen: `one` is right; of `two` the record a1 of the first aborted transaction arrives as well.
# A fetch response lists an aborted transaction as (producer, first offset). It seems that only
# one first offset is kept for a producer.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3 npm; do
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
producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "writer"})
producer.init_transactions()
for topic, values in (("one", "c1 a1 c2"), ("two", "c1 a1 b1 c2")):
    for value in values.split():
        producer.begin_transaction()
        producer.produce(topic, value, "key")
        producer.flush()
        producer.commit_transaction() if value.startswith("c") else producer.abort_transaction()
END
venv/bin/python write.py "127.0.0.1:$port"

mkdir js
cd js
cat >package.json <<'END'
{"name": "finding", "private": true, "type": "module",
 "dependencies": {"@platformatic/kafka": "2.12.1", "node": "22.23.3"}}
END
npm install --no-audit --no-fund --no-package-lock --silent >npm.log 2>&1 || { cat npm.log >&2; exit 2; }
cat >read.mjs <<'END'
import { Consumer } from '@platformatic/kafka'
for (const topic of ['one', 'two']) {
  const consumer = new Consumer({
    groupId: `reader-${topic}`, clientId: 'reader', bootstrapBrokers: [process.argv[2]]
  })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', maxWaitTime: 300 })
  const seen = []
  const end = new Promise(resolve => {
    setTimeout(resolve, 30_000).unref()
    stream.on('data', message => {
      seen.push(message.value.toString())
      if (seen.at(-1) === 'c2') resolve()
    })
  })
  await end
  console.log(topic, seen.join(' '))
  await consumer.close(true)
}
END
node_modules/.bin/node read.mjs "127.0.0.1:$port" >../seen.txt 2>node.log || { cat node.log >&2; exit 2; }
cd ..
printf 'one c1 c2\ntwo c1 a1 c2\n' >expected.txt
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: @platformatic/kafka no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: of two aborted transactions the first one's record is shown"
