#!/usr/bin/env bash
# librdkafka's group.protocol=consumer waits, without an error, for a broker that does not have it.
#
# Head version: confluent-kafka 2.16.1 (librdkafka 2.16.0). Broker: Kafka 3.9.2 as it comes, whose
# `group.coordinator.rebalance.protocols` is `classic`.
# Valid input: two consumers of one topic of 16 partitions, alike but for `group.protocol` (and
# `group.id`), both polled all the time, with an `error_cb`.
# Expected: the one of the classic protocol is given its partitions; the other gets an error that
# says that this broker does not have its protocol, from `poll` or from `error_cb`.
# Seen: the classic one has 16 partitions. In the 60 s after that the other gets no partitions, no
# message, no error, and nothing is logged.
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

# One Kafka 3.9.2 in this folder, and a Python with confluent-kafka.
cat >pom.xml <<'END'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.2</version>
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

cat >join.py <<'END'
import sys
import time

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

WAIT_S = 60
servers = {"bootstrap.servers": sys.argv[1]}
admin = AdminClient(servers)
for made in admin.create_topics([NewTopic("work", 16, 1)]).values():
    made.result(60)
told = {"classic": [], "consumer": []}
partitions = {"classic": 0, "consumer": 0}


def start(protocol):
    def assigned(consumer, came):
        partitions[protocol] += len(came)

    consumer = Consumer({
        **servers,
        "group.id": f"group-{protocol}",
        "group.protocol": protocol,
        "error_cb": lambda error: told[protocol].append(error.name()),
    })
    consumer.subscribe(["work"], on_assign=assigned)
    return consumer


members = {protocol: start(protocol) for protocol in told}
until = time.monotonic() + WAIT_S
joined = False
while time.monotonic() < until:
    for protocol, consumer in members.items():
        message = consumer.poll(0.1)
        if message is not None:
            told[protocol].append(message.error().name() if message.error() else "a record")
    if not joined and partitions["classic"]:
        joined, until = True, time.monotonic() + WAIT_S
for protocol in told:
    print(f"{protocol}: {partitions[protocol]} partitions, told: {told[protocol] or 'nothing'}")
END
venv/bin/python join.py "127.0.0.1:$port" >seen.txt 2>log.txt || { cat log.txt >&2; exit 2; }
cat seen.txt log.txt
cat >expected.txt <<'END'
classic: 16 partitions, told: nothing
consumer: 0 partitions, told: nothing
END
diff expected.txt seen.txt || { echo "CHANGED: librdkafka no longer does what this page says"; exit 1; }
[ ! -s log.txt ] || { echo "CHANGED: librdkafka now logs something"; exit 1; }
echo "AS DESCRIBED: a member of the new protocol waits in silence for a broker that does not have it"
