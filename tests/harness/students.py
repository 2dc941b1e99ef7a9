"""Students by commands of the school, and where their names are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from tests.harness.subscriber import Subscriber
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    import psycopg

    from tests.harness.cluster import Cluster

FLOW_S: Final = 60.0
SUBMIT: Final = """
    SELECT outbox.submit(type => %(type)s, key => 'teacher-1', actor => 'teacher-1',
                         payload => %(payload)s)"""
TABLES: Final = """
    SELECT oid::regclass::text FROM pg_class
     WHERE relkind IN ('r', 'p') AND NOT relispartition
       AND relnamespace IN ('outbox'::regnamespace, 'school'::regnamespace)"""
DONE: Final = "SELECT count(*) FILTER (WHERE status <> 'succeeded') = 0 FROM outbox.command"


def write_student(link: psycopg.Connection[Any], student_id: str, name: str) -> None:
    """Create and change one, by commands of the owner that the page names."""
    person = {"student_id": student_id, "first_name": name, "last_name": "Ek"}
    link.execute(SUBMIT, {"type": "CreateStudent", "payload": Jsonb(person)})
    changed = {"student_id": student_id, "last_name": "Berg"}
    link.execute(SUBMIT, {"type": "UpdateStudent", "payload": Jsonb(changed)})
    wait_until(lambda: link.execute(DONE).fetchone() == (True,), FLOW_S, "it is done")


def naming(link: psycopg.Connection[Any], name: str) -> set[str]:
    """The tables with a row that has this text, as text or as bytes."""
    spellings = (name, name.encode().hex())
    return {
        table
        for (table,) in link.execute(TABLES).fetchall()
        if any(
            spelling in row
            for (row,) in link.execute(f"SELECT t::text FROM {table} AS t".encode())  # noqa: S608
            for spelling in spellings
        )
    }


def values(cluster: Cluster, topics: list[str]) -> list[bytes]:
    """What somebody finds who reads the topics from the beginning, aborted or not."""
    with Subscriber(cluster.bootstrap, topics, "read_uncommitted") as reader:
        wait_until(reader.at_the_end, FLOW_S, "all is read")
        return [each.value for each in reader.received if each.value is not None]
