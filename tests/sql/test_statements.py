"""Every statement compiles, is used, and uses the index that its header names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from outbox_school.school import school
from outbox_school.statements import sql as school_sql
from outbox_worker.position import row
from outbox_worker.position.row import size_of
from outbox_worker.position.snapshot import NOTHING, Snapshot
from outbox_worker.postgres import database as connections
from outbox_worker.stores import outbox
from outbox_worker.stores.loader import sql
from outbox_worker.stores.outbox import Gap, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.stores import Connection
    from outbox_worker.stores.loader import Statements

ROOT = Path(__file__).parents[2]
PACKAGES = {
    sql: ROOT / "outbox_worker",
    school_sql: ROOT / "domain" / "outbox_school",
}
ALL = [pytest.param(each, name, id=name) for each in PACKAGES for name in each.names()]
HEADER = re.compile(r"-- (?P<name>\w+/\w+)\n(-- .+\n)+?-- params: .+\n(-- .+\n)*?-- rows: .+\n")
EVENTS = 60_000
WORDS = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s")


@pytest.fixture(scope="module")
def loaded(postgres: object) -> Iterator[Connection]:
    """The worker's session on a database with freshly loaded events, never analysed."""
    from outbox_worker.local.postgres import PostgresServer  # noqa: PLC0415
    from outbox_worker.maintenance import partitions  # noqa: PLC0415
    from outbox_worker.postgres import migrations  # noqa: PLC0415

    assert isinstance(postgres, PostgresServer)
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE plans")
    url = postgres.url("plans")
    with connections.connect(url, application="tests") as link:
        migrations.apply(link, school.tables)
        partitions.run_once(link)
        link.execute("ALTER TABLE outbox.event_default SET (autovacuum_enabled = false)")
        link.execute(
            "INSERT INTO outbox.event (topic, key, type, payload, created_at) "
            "SELECT 'topic', 'key ' || n %% 1000, 'type', "
            "convert_to(repeat('x', 400), 'UTF8'), "
            "now() + n %% 5 * interval '1 day' FROM generate_series(1, %s) AS n",
            (EVENTS,),
        )
    with connections.connect(url, application="tests", options=connections.READER_OPTIONS) as link:
        yield link
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute("DROP DATABASE plans WITH (FORCE)")


def plan_of(link: Connection, name: str, parameters: dict[str, object]) -> str:
    """The plan of a statement, with the parameters unknown to the planner as in a generic plan."""
    body = sql.load(name)
    rows = link.execute(b"EXPLAIN " + body, parameters).fetchall()
    return "\n".join(row[0] for row in rows)


FILL_COMMANDS = """
    INSERT INTO outbox.command (type, key, actor, payload)
    SELECT 'CreateClass', 'key ' || n %% 1000, 'teacher', '{}' FROM generate_series(1, %s) AS n"""
BY_SHARD = "{" + ",".join(['"1:1:"'] * 16) + "}"
CASES: dict[str, dict[str, object]] = {
    "outbox/read_tail": {
        "seen": BY_SHARD,
        "xmax": "5",
        "xip": "{3,4}",
        "shards": list(range(16)),
        "rows": 101,
        "bytes": 10**6,
        "largest": 10**6,
    },
    "outbox/read_chunk": {
        "seen": BY_SHARD,
        "cursors": "{" + ",".join(["10"] * 16) + "}",
        "least": 10,
        "last": 500_010,
        "upper": "99999:99999:",
        "shards": list(range(16)),
        "rows": 100,
        "bytes": 10**6,
        "largest": 10**6,
    },
    "outbox/read_stragglers": {
        "xmax": "5",
        "xip": "{3,4}",
        "seen": "1:1:",
        "fresh": "99999:99999:",
        "floor": 1,
        "cursor": 99,
        "shard": 3,
        "rows": 100,
        "largest": 10**6,
    },
    "outbox/find_witness": {"ids": [1, 2]},
}


@pytest.mark.parametrize("name", CASES)
def test_reads_use_their_index_on_a_table_that_was_never_analysed(
    loaded: Connection, name: str
) -> None:
    plan = plan_of(loaded, name, CASES[name])
    assert "Seq Scan on event" not in plan
    assert "Bitmap" not in plan
    (index,) = sql.index_of(name)
    stem = index.removeprefix("event_").removesuffix("_idx")
    scans = [line for line in plan.splitlines() if "Index" in line and " on event_" in line]
    assert scans
    assert all(stem in line for line in scans), plan


@pytest.mark.parametrize("is_analysed", [False, True], ids=["never analysed", "analysed empty"])
@pytest.mark.parametrize("commands", [0, 20_000])
@pytest.mark.parametrize("name", [each for each in sql.names() if each.startswith("command/")])
def test_the_executor_finds_commands_by_index_also_with_the_plan_of_an_empty_table(
    loaded: Connection, name: str, commands: int, *, is_analysed: bool
) -> None:
    order = b"EXPLAIN (GENERIC_PLAN, COSTS OFF) " + numbered(sql.load(name))
    with loaded.transaction(force_rollback=True):
        if is_analysed:
            loaded.execute("ANALYZE outbox.command")
        loaded.execute(FILL_COMMANDS, (commands,))
        plan = "\n".join(row[0] for row in loaded.execute(order, prepare=False))
    wanted = {f"using {index} on command" for index in sql.index_of(name)}
    assert {each for each in wanted if each not in plan} == set(), plan
    conditions = [line.strip() for line in plan.splitlines() if "Index Cond" in line]
    # The overview reads what is queued; everything else asks by key or by id.
    assert name == "command/list_queued" or len(conditions) == plan.count(" using ")
    assert "Seq Scan" not in plan


def test_a_chunk_comes_in_id_order_without_a_sort(loaded: Connection) -> None:
    assert "Sort  (" not in plan_of(loaded, "outbox/read_chunk", CASES["outbox/read_chunk"])


@pytest.mark.parametrize(("statements", "name"), ALL)
def test_every_statement_compiles_against_the_schema(
    loaded: Connection, statements: Statements, name: str
) -> None:
    stem = name.split("/")[1]
    with loaded.transaction(force_rollback=True):
        # What a command makes for itself must be there for what reads it.
        for other in statements.names():
            if "/create_" in other and other != name:
                loaded.execute(statements.load(other), prepare=False)
        body = statements.load(name)
        if stem.startswith(("create_", "analyze_")):
            loaded.execute(body, prepare=False)
        elif stem.startswith("copy_"):
            with loaded.cursor() as cursor, cursor.copy(body):
                pass
        else:
            loaded.execute(b"PREPARE checked AS " + numbered(body), prepare=False)
            loaded.execute("DEALLOCATE checked", prepare=False)


def numbered(body: bytes) -> bytes:
    """The statement with the server's own parameters: $1 for the first name, and so on."""
    names = list(dict.fromkeys(re.findall(rb"%\((\w+)\)s", body)))
    text = re.sub(rb"%\((\w+)\)s", lambda found: b"$%d" % (names.index(found[1]) + 1), body)
    return text.replace(b"%%", b"%")


def shard_events(connection: Connection, shard: int) -> int:
    """How many events of a shard there are."""
    counted = connection.execute("SELECT count(*) FROM outbox.event WHERE shard = %s", (shard,))
    ((count,),) = counted.fetchall()
    return int(count)


@pytest.mark.parametrize(("statements", "name"), ALL)
def test_every_statement_has_its_header_and_its_function(statements: Statements, name: str) -> None:
    text = statements.load(name).decode()
    found = HEADER.match(text)
    assert found is not None, "the header says name, purpose, params, rows"
    assert found["name"] == name
    folder, stem = name.split("/")
    module = PACKAGES[statements] / "stores" / f"{folder}.py"
    tree = ast.parse(module.read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert stem in functions
    assert f'"{name}"' in module.read_text()


def test_no_statement_stands_in_python() -> None:
    found = []
    paths = [path for package in PACKAGES.values() for path in sorted(package.rglob("*.py"))]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                at_start = WORDS.match(node.value.strip())
                found += [f"{path}:{node.lineno}"] if at_start else []
    assert found == []


def test_a_batch_is_bounded_in_bytes_and_holds_at_least_one_row(loaded: Connection) -> None:
    seen, cursors = dict.fromkeys(range(16), NOTHING), dict.fromkeys(range(16), 0)
    upper = Snapshot.parse("999999:999999:")
    rows, cut = outbox.read_chunk(loaded, seen, cursors, upper, Limits(100, 1_000))
    assert len(rows) == 2
    assert sum(map(size_of, rows)) <= 1_000
    assert cut == rows[-1][0]
    rows, cut = outbox.read_chunk(loaded, seen, cursors, upper, Limits(100, 1))
    assert len(rows) == 1
    assert cut == rows[0][0]


def test_a_chunk_ends_after_so_many_ids_whether_or_not_it_found_a_row(
    loaded: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    highest = outbox.highest_id(loaded)
    monkeypatch.setattr(outbox, "WINDOW", highest // 3)
    seen, limits = {3: NOTHING}, Limits(EVENTS + 1, 10**9)
    nothing, everything = Snapshot.parse("1:1:"), Snapshot.parse("999999:999999:")
    cursor: int | None = 0
    looks, ids = 0, []
    while cursor is not None:
        assert outbox.read_chunk(loaded, seen, {3: cursor}, nothing, limits)[0] == []
        rows, cursor = outbox.read_chunk(loaded, seen, {3: cursor}, everything, limits)
        looks += 1
        ids += [row[0] for row in rows]
    assert looks in {3, 4}
    assert len(ids) == len(set(ids)) == shard_events(loaded, 3)
    assert ids == sorted(ids)


def test_a_chunk_is_whole_and_in_order(loaded: Connection) -> None:
    seen, cursors = dict.fromkeys(range(16), NOTHING), dict.fromkeys(range(16), 0)
    upper = Snapshot.parse("999999:999999:")
    rows, cut = outbox.read_chunk(loaded, seen, cursors, upper, Limits(EVENTS + 1, 10**9))
    assert cut is None
    ids = [row[0] for row in rows]
    assert len(ids) == EVENTS
    assert ids == sorted(ids)
    row = rows[0]
    assert [type(each) for each in row[:9]] == [int, int, int, str, str, str, str, str, str]
    assert row[8].endswith("Z")
    assert row[10] == b"x" * 400


def test_the_tail_says_its_snapshot_also_without_rows(loaded: Connection) -> None:
    current = outbox.read_tail(loaded, {3: NOTHING}, Limits(1, 1))[0]
    again, rows = outbox.read_tail(loaded, {3: current}, Limits(10, 10**6))
    assert rows == []
    assert again.xmax >= current.xmax


def test_the_tail_brings_one_row_more_than_a_batch(loaded: Connection) -> None:
    limits = Limits(10, 10**6)
    _, rows = outbox.read_tail(loaded, dict.fromkeys(range(16), NOTHING), limits)
    assert len(rows) == 11
    assert limits.exceeded_by(rows)


def test_stragglers_are_those_that_ended_since_the_border(connection: Connection) -> None:
    connection.execute("SELECT outbox.publish('t', 'k', 'first', '1')")
    with connections.connect(connection.info.dsn, application="late") as late:
        with late.transaction():
            late.execute("SELECT outbox.publish('t', 'k', 'late', '2')")
            connection.execute("SELECT outbox.publish('t', 'k', 'third', '3')")
            everything = dict.fromkeys(range(16), NOTHING)
            upper, rows = outbox.read_tail(connection, everything, Limits(10, 10**6))
            assert sorted(row[6] for row in rows) == ["first", "third"]
        fresh, _ = outbox.read_tail(connection, everything, Limits(10, 10**6))
    gap = Gap(NOTHING, upper, fresh, 0, max(row[0] for row in rows))
    shard = rows[0][2]
    assert [row[6] for row in outbox.read_stragglers(connection, shard, gap, 10)] == ["late"]


COLUMNS = re.compile(rb"^SELECT (id, .+?)\n(?:FROM|, )", re.MULTILINE | re.DOTALL)


def columns_of(name: str) -> list[str]:
    """What a statement gives of an event, each in the words of the statement."""
    (listed,) = COLUMNS.findall(sql.load(name))
    text = " ".join(listed.decode().split()).replace("found.", "").replace("late.", "")
    return re.split(r", (?![^(]*\))", text)


def test_the_reads_give_the_same_columns_in_the_order_that_the_program_knows() -> None:
    wanted = columns_of("outbox/read_stragglers")
    assert len(wanted) == row.WRITER + 1
    assert wanted[row.ID] == "id"
    assert wanted[row.SHARD] == "shard"
    assert wanted[row.EVENT_ID] == "event_id::text"
    assert wanted[row.CREATED_AT].startswith("to_char(created_at")
    assert wanted[row.PAYLOAD].endswith("THEN payload END")
    assert wanted[row.WRITER] == "writer"
    for name in ("outbox/read_tail", "outbox/read_chunk"):
        assert columns_of(name) == wanted, name
