#!/usr/bin/env bash
# librdkafka: the end of a transaction, or its offsets, that was sent once more after a lost connection and
# then comes late takes effect in the next transaction, which nobody is told.
#
# Head version: confluent-kafka 2.16.1 (librdkafka 2.16), a transactional producer with its defaults.
# Broker: Apache Kafka 4.1.0.
# Valid input: two transactions of one producer. While the first one ends (or sends its offsets) the
# connection is lost for the client; the request is still on its way to the broker, and arrives when the
# second transaction has begun. Each call of the producer returns without an error.
# Expected: what the program committed is committed, what it aborted is aborted, offsets are the last ones.
# Seen: librdkafka sends the request once more on another connection, under the same epoch, and says
# nothing of it. (1) A late commit publishes the record of a second transaction that the program aborts. (2) A
# late abort takes away the first record of a second transaction; the second record is committed, and
# commit_transaction returns. (3) Late offsets replace those of the second transaction. It is what KIP-890 is
# about; librdkafka speaks the older version of the transaction protocol.
# Way out: after an abort, and after a commit during which a connection was lost (a line of log says so,
# log_level 6), make a new producer of the same transactional id: its init_transactions raises the
# epoch, and what comes late is refused.
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
import socket, struct, sys, threading
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

inside, between, behind = (int(each) for each in sys.argv[1:4])
END_TXN, TXN_OFFSET_COMMIT = 26, 28


class Network:
    """Stands before the broker: loses one connection for the client, and delivers its request late."""

    def __init__(self) -> None:
        self.wanted, self.late, self.answered = None, None, threading.Event()
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
        try:
            while len(size := stream.read(4)) == 4:
                request = size + stream.read(struct.unpack(">i", size)[0])
                if struct.unpack(">h", request[4:6])[0] == self.wanted:
                    self.wanted, self.late = None, (broker, request)
                    client.shutdown(socket.SHUT_RDWR)
                    return
                broker.sendall(request)
        except OSError:
            pass  # The client is gone.

    def answers(self, broker: socket.socket, client: socket.socket) -> None:
        while data := broker.recv(65_536):
            if self.late is not None and self.late[0] is broker:
                self.answered.set()
                continue
            try:
                client.sendall(data)
            except OSError:
                return  # The client is gone.

    def deliver(self) -> None:
        broker, request = self.late
        self.answered.clear()
        broker.sendall(request)
        assert self.answered.wait(30), "the broker does not answer"
        self.late = None


def produce(producer: Producer, value: str, partition: int = 0) -> None:
    producer.produce(topic, value, partition=partition)
    assert producer.flush(30) == 0


def begin(value: str) -> None:
    producer.begin_transaction()
    produce(producer, value)


def again() -> None:
    """Go on: with the same producer, or with a new one of the same id."""
    global producer
    if renews:
        kept.append(producer)
        producer = Producer(config)
        producer.init_transactions(30)


def offsets(number: int) -> None:
    member = group.consumer_group_metadata()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, number)], member, 30)


def late_commit() -> list:
    begin("committed")
    network.wanted = END_TXN
    producer.commit_transaction(30)
    again()
    begin("aborted")
    network.deliver()
    try:
        producer.abort_transaction(30)
    except KafkaException:
        pass  # Too late: the broker has committed it.
    return read()


def late_abort() -> list:
    begin("aborted")
    network.wanted = END_TXN
    producer.abort_transaction(30)
    again()
    begin("committed, first")
    network.deliver()
    produce(producer, "committed, second", 1)
    producer.commit_transaction(30)
    return read()


def late_offsets() -> list:
    begin("first")
    network.wanted = TXN_OFFSET_COMMIT
    offsets(1)
    producer.commit_transaction(30)
    again()
    begin("second")
    offsets(2)
    network.deliver()
    producer.commit_transaction(30)
    return [each.offset for each in group.committed([TopicPartition(topic, 0)], 30)]


def read() -> list:
    last = Producer({"bootstrap.servers": f"127.0.0.1:{inside}"})
    for partition in range(2):
        last.produce(topic, "end", partition=partition)
    last.flush(30)
    reader = Consumer({"bootstrap.servers": f"127.0.0.1:{inside}", "group.id": "r",
                       "isolation.level": "read_committed"})
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
    seen = []
    for _ in range(200):
        message = reader.poll(0.5)
        if message is not None and message.error() is None:
            seen.append(message.value().decode())
        if seen.count("end") == 2:
            break
    return sorted(each for each in seen if each != "end")


network = Network()
admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{inside}"})
kept = []
for renews in (False, True):
    for play in (late_commit, late_abort, late_offsets):
        topic = f"{play.__name__}-{renews}"
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
        config = {"bootstrap.servers": f"127.0.0.1:{between}", "transactional.id": topic, "log_level": 0}
        group = Consumer({"bootstrap.servers": f"127.0.0.1:{inside}", "group.id": topic})
        producer = Producer(config)
        producer.init_transactions(30)
        print("a new producer, " if renews else "the same producer, ", play.__name__, ": ", play(), sep="")
END
venv/bin/python run.py "$port" "$between" "$behind" >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
the same producer, late_commit: ['aborted', 'committed']
the same producer, late_abort: ['committed, second']
the same producer, late_offsets: [1]
a new producer, late_commit: ['committed']
a new producer, late_abort: ['committed, first', 'committed, second']
a new producer, late_offsets: [2]
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: what comes late has another effect on the next transaction"; exit 1; }
echo "AS DESCRIBED: a late end, or late offsets, take effect in the next transaction"
