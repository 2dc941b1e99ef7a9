#!/usr/bin/env bash
# rskafka cannot read a partition that holds a transaction marker.
#
# Head version: rskafka 0.6.0. Broker: Apache Kafka 4.1.0.
# Valid input: topic `plain`: one record without a transaction. Topic `orders`: one record in a
# transaction that is committed.
# Expected: one record of either topic. The marker at the end of a transaction is a control
# batch, which a client reads over.
# Seen: `plain` gives its record. The fetch of `orders` fails as a whole with "Malformed data:
# Unknown control batch record version", so that the committed record cannot be read either.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3 cargo; do
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
producer = Producer({"bootstrap.servers": sys.argv[1]})
producer.produce("plain", "p1", "key")
producer.flush()
producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "writer"})
producer.init_transactions()
producer.begin_transaction()
producer.produce("orders", "c1", "key")
producer.commit_transaction()
END
venv/bin/python write.py "127.0.0.1:$port"

mkdir -p rust/src
cd rust
cat >Cargo.toml <<'END'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
rskafka = { version = "=0.6.0", default-features = false }
tokio = { version = "1", features = ["macros", "rt"] }
END
cat >src/main.rs <<'END'
use rskafka::client::{partition::UnknownTopicHandling, ClientBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let broker = std::env::args().nth(1).expect("a broker");
    let client = ClientBuilder::new(vec![broker]).build().await.expect("a client");
    for topic in ["plain", "orders"] {
        let partition = client
            .partition_client(topic, 0, UnknownTopicHandling::Retry)
            .await
            .expect("the partition");
        match partition.fetch_records(0, 1..1_000_000, 1_000).await {
            Ok((records, _)) => println!("{topic}: {} record", records.len()),
            Err(error) => println!("{topic}: {error}"),
        }
    }
}
END
cargo build -q >cargo.log 2>&1 || { cat cargo.log >&2; exit 2; }
target/debug/finding "127.0.0.1:$port" | tee ../seen.txt
cd ..
grep -qx 'plain: 1 record' seen.txt && grep -q '^orders: .*Unknown control batch record version' seen.txt ||
  { echo "CHANGED: rskafka no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a committed transaction cannot be read"
