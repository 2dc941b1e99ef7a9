#!/usr/bin/env bash
# kafka-go shows aborted records and transaction markers under ReadCommitted.
#
# Head version: github.com/segmentio/kafka-go v0.4.51. Broker: Apache Kafka 4.1.0.
# Valid input: one producer commits c1, aborts a1, commits c2.
# Expected of `IsolationLevel: kafka.ReadCommitted`: c1 and c2, nothing else. Its documentation
# says that "only committed records will be returned".
# Seen: the aborted record arrives, and so does each transaction marker (a control record, which
# no client may hand out), as a message with a key of 4 bytes and a value of 6 bytes. The result
# is the same as with ReadUncommitted.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3 go; do
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
for value, commit in (("c1", True), ("a1", False), ("c2", True)):
    producer.begin_transaction()
    producer.produce("orders", value, "key")
    producer.flush()
    producer.commit_transaction() if commit else producer.abort_transaction()
END
venv/bin/python write.py "127.0.0.1:$port"

mkdir go
cd go
cat >go.mod <<'END'
module finding
go 1.23
require github.com/segmentio/kafka-go v0.4.51
END
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
)

func main() {
	for _, level := range []kafka.IsolationLevel{kafka.ReadUncommitted, kafka.ReadCommitted} {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{os.Args[1]}, Topic: "orders", IsolationLevel: level,
			MaxWait: 200 * time.Millisecond,
		})
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			message, err := reader.ReadMessage(ctx)
			cancel()
			if err != nil {
				break
			}
			fmt.Printf("isolation %d offset %d key %q value %q\n",
				level, message.Offset, message.Key, message.Value)
		}
		reader.Close()
	}
}
END
GOFLAGS=-mod=mod go run . "127.0.0.1:$port" >../seen.txt 2>go.log || { cat go.log >&2; exit 2; }
cd ..
cat >expected.txt <<'END'
isolation 0 offset 0 key "key" value "c1"
isolation 0 offset 1 key "\x00\x00\x00\x01" value "\x00\x00\x00\x00\x00\x00"
isolation 0 offset 2 key "key" value "a1"
isolation 0 offset 3 key "\x00\x00\x00\x00" value "\x00\x00\x00\x00\x00\x00"
isolation 0 offset 4 key "key" value "c2"
isolation 0 offset 5 key "\x00\x00\x00\x01" value "\x00\x00\x00\x00\x00\x00"
isolation 1 offset 0 key "key" value "c1"
isolation 1 offset 1 key "\x00\x00\x00\x01" value "\x00\x00\x00\x00\x00\x00"
isolation 1 offset 2 key "key" value "a1"
isolation 1 offset 3 key "\x00\x00\x00\x00" value "\x00\x00\x00\x00\x00\x00"
isolation 1 offset 4 key "key" value "c2"
isolation 1 offset 5 key "\x00\x00\x00\x01" value "\x00\x00\x00\x00\x00\x00"
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: kafka-go no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: ReadCommitted shows a1 and three markers"
