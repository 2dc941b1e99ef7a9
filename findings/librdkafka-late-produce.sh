#!/usr/bin/env bash
# librdkafka: a Produce request that comes late, after its transaction was aborted, is committed with
# the next transaction, and the record of that one is lost.
#
# Head version: confluent-kafka 2.16.1 (librdkafka 2.16), a transactional producer with its defaults but for
# a short request time-out. Broker: Apache Kafka 4.1.0.
# Valid input: three transactions of one record each: the first is committed; of the second the network
# holds the Produce request back beyond its time-out, and the program aborts; the third is
# committed, and what was held back arrives meanwhile.
# Expected: readers under read_committed get "first", "third".
# Seen: the abort succeeds and drops the record unsent, epoch and sequence number stay as they are. The late
# request arrives inside the third transaction and is taken; the third record, which has the same
# sequence number, is taken for a copy of it. Delivery report and commit of the third are good. Readers
# get "first", "second (aborted)": an aborted record shows, a committed one is lost. It is
# what KIP-890 is about; librdkafka speaks the older version of the transaction protocol.
# Way out: after an abort that left a record without an answer, make a new producer of the same
# transactional id: its init_transactions raises the epoch, and the late request is refused.
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
read -r port controller between behind < <(python3 -c '
import socket
ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(port.getsockname()[1] for port in ports))')
cat >server.properties <<END
process.roles=broker,controller
node.id=1
listeners=INSIDE://127.0.0.1:$port,BETWEEN://127.0.0.1:$behind,CONTROLLER://127.0.0.1:$controller
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,BETWEEN:PLAINTEXT
inter.broker.listener.name=INSIDE
advertised.listeners=INSIDE://127.0.0.1:$port,BETWEEN://127.0.0.1:$between
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
import socket, struct, sys, threading, time
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

inside, between, behind = (int(each) for each in sys.argv[1:4])
PRODUCE = 0


class Network:
    """Stands before the broker, and can hold Produce requests back."""

    def __init__(self) -> None:
        self.holds, self.held = False, []
        listener = socket.create_server(("127.0.0.1", between))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        while True:
            client = listener.accept()[0]
            broker = socket.create_connection(("127.0.0.1", behind))
            threading.Thread(target=self.requests, args=(client, broker), daemon=True).start()
            threading.Thread(target=self.answers, args=(broker, client), daemon=True).start()

    def requests(self, client: socket.socket, broker: socket.socket) -> None:
        stream = client.makefile("rb")
        while len(size := stream.read(4)) == 4:
            body = stream.read(struct.unpack(">i", size)[0])
            if self.holds and struct.unpack(">h", body[:2])[0] == PRODUCE:
                self.held.append((broker, size + body))
            else:
                broker.sendall(size + body)

    def answers(self, broker: socket.socket, client: socket.socket) -> None:
        try:
            while data := broker.recv(65_536):
                client.sendall(data)
        except OSError:
            pass  # The client did not wait for this answer.

    def let_go(self) -> None:
        self.holds = False
        for broker, request in self.held:
            broker.sendall(request)
            time.sleep(0.5)
        self.held.clear()


def transact(producer: Producer, value: str) -> None:
    producer.begin_transaction()
    producer.produce("orders", value, "key")
    producer.commit_transaction(30)


def play(renew: bool) -> list:
    network.holds = False
    config = {"bootstrap.servers": f"127.0.0.1:{between}", "transactional.id": "writer", "linger.ms": 0,
              "socket.timeout.ms": 2_000, "retry.backoff.ms": 20_000, "retry.backoff.max.ms": 20_000,
              "log_level": 0}
    start = Consumer({"bootstrap.servers": f"127.0.0.1:{inside}", "group.id": "r"})
    end = start.get_watermark_offsets(TopicPartition("orders", 0), 10)[1]
    producer = Producer(config)
    producer.init_transactions(30)
    transact(producer, "first")
    network.holds = True
    producer.begin_transaction()
    producer.produce("orders", "second (aborted)", "key")
    producer.flush(4)
    producer.abort_transaction(30)
    if renew:
        kept, producer = producer, Producer(config)
        producer.init_transactions(30)
    reports = []
    producer.begin_transaction()
    producer.produce("orders", "third", "key", on_delivery=lambda error, _: reports.append(error))
    producer.poll(1)
    network.let_go()
    producer.commit_transaction(30)
    print(f"the third: delivery report {reports}, commit returned")
    transact(producer, "last")
    reader = Consumer({"bootstrap.servers": f"127.0.0.1:{inside}", "group.id": "r",
                       "isolation.level": "read_committed"})
    reader.assign([TopicPartition("orders", 0, end)])
    seen, until = [], time.monotonic() + 40
    while "last" not in seen and time.monotonic() < until:
        message = reader.poll(0.5)
        if message is not None and message.error() is None:
            seen.append(message.value().decode())
    return seen


network = Network()
admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{inside}"})
admin.create_topics([NewTopic("orders", 1, 1)])["orders"].result(30)
again, renewed = play(renew=False), play(renew=True)
print("the same producer after the abort:", again)
print("a new producer after the abort:   ", renewed)
END
venv/bin/python run.py "$port" "$between" "$behind" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
the third: delivery report [None], commit returned
the third: delivery report [None], commit returned
the same producer after the abort: ['first', 'second (aborted)', 'last']
a new producer after the abort:    ['first', 'third', 'last']
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: a late request no longer joins the next transaction"; exit 1; }
echo "AS DESCRIBED: a late request joins the next transaction, and displaces its record"
