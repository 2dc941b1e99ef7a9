#!/usr/bin/env bash
# CloudEventDeserializer as `value.deserializer` never sees a tombstone: the event is null.
#
# Head version: io.cloudevents:cloudevents-kafka 4.0.1 with kafka-clients 4.4.0. Broker: Kafka 4.1.0.
# Valid input: two CloudEvents in Kafka's binary mode: one with JSON data, one without data (the
# value is null, the attributes stand in the headers).
# Expected: two events, the second with id and type and without data. The deserializer itself
# gives that when it is called with a null value.
# Seen: `record.value()` of the second is null. The client does not call a deserializer for a
# null value, so that id and type are to be had from the headers only.
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

cat >write.py <<'END'
import sys
from confluent_kafka import Producer
attributes = [("ce_specversion", b"1.0"), ("ce_source", b"/finding"), ("ce_type", b"order.placed")]
producer = Producer({"bootstrap.servers": sys.argv[1]})
first = [*attributes, ("ce_id", b"1"), ("content-type", b"application/json")]
producer.produce("orders", b'{"total": 10}', "key", headers=first)
producer.produce("orders", None, "key", headers=[*attributes, ("ce_id", b"2")])
producer.flush()
END
venv/bin/python write.py "127.0.0.1:$port"

mkdir java
cd java
cat >pom.xml <<'END'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>reader</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.cloudevents</groupId><artifactId>cloudevents-kafka</artifactId><version>4.0.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>4.4.0</version>
    </dependency>
  </dependencies>
</project>
END
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory=jars >mvn.log 2>&1 || { cat mvn.log >&2; exit 2; }
cat >Read.java <<'END'
import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Read {
  static String told(CloudEvent event) {
    return event == null ? "null" : "event " + event.getId() + (event.getData() == null ? " without data" : " with data");
  }

  public static void main(String[] arguments) {
    Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
    var partition = new TopicPartition("orders", 0);
    int seen = 0;
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer());
        var byHand = new CloudEventDeserializer()) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      for (int turn = 0; turn < 60 && seen < 2; turn++) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          seen++;
          var again = record.value() == null ? byHand.deserialize("orders", record.headers(), (byte[]) null) : record.value();
          System.out.println("value(): " + told(record.value()) + "; called by hand: " + told(again));
        }
      }
    }
  }
}
END
java -XX:-UsePerfData -cp 'jars/*' Read.java "127.0.0.1:$port" >../seen.txt 2>java.log || { cat java.log >&2; exit 2; }
cd ..
cat >expected.txt <<'END'
value(): event 1 with data; called by hand: event 1 with data
value(): null; called by hand: event 2 without data
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: cloudevents-kafka no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: an event without data is lost as value.deserializer gives it"
