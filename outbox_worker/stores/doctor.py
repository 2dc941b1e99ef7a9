"""Statements by which `outbox-worker doctor` looks at the server and the outbox; none writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from outbox_worker.stores.loader import sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from outbox_worker.stores import Connection


class Server(NamedTuple):
    """Which database this is; `address` is None on a socket, `now` is the server's clock."""

    database: str
    address: str | None
    port: int | None
    login: str
    now: datetime


class Setting(NamedTuple):
    """A setting as it is for this session; `source` says where its value comes from."""

    value: str
    source: str


class Connections(NamedTuple):
    """How many there are and may be, of server, database and login; -1 is no limit."""

    used: int
    most: int
    used_in_database: int
    most_in_database: int
    used_by_login: int
    most_by_login: int


class OpenTransaction(NamedTuple):
    """A transaction that has an id and has not ended; `shards` are those that keep it in mind.

    `state` and `seconds` are None where we may not see them; `at_least` follows from the events
    that later transactions wrote, None where there are none.
    """

    pid: int
    login: str
    application: str
    state: str | None
    seconds: float | None
    at_least: float | None
    shards: list[int]


class Prepared(NamedTuple):
    """A prepared transaction; `shards` are those that keep it in mind."""

    gid: str
    login: str
    database: str
    seconds: float
    shards: list[int]


class Unidentified(NamedTuple):
    """A table without a replica identity, and a publication that sends its changes."""

    table: str
    publication: str


class Day(NamedTuple):
    """A UTC day of the table of events, None for the default partition, and its bytes."""

    day: date | None
    bytes: int


class Oldest(NamedTuple):
    """Whether an event was ever purged, and when the oldest finished command finished."""

    was_purged: bool
    finished_at: datetime | None


class WaitingTopic(NamedTuple):
    """A topic of unpublished events; `bytes` and `largest` are those of the largest, by its id."""

    topic: str
    events: int
    bytes: int
    largest: int
    is_without_key: bool
    seconds: float


class HeldEvent(NamedTuple):
    """What a shard waits for; `event_id`, `topic` and `key` are None where the event is gone.

    `hint` is what its worker says that mends it.
    """

    shard: int
    id: int
    event_id: str | None
    topic: str | None
    key: str | None
    reason: str
    seconds: float
    hint: str | None


class Failing(NamedTuple):
    """Commands of a type that failed: tried again, or set aside; one of each, empty for none."""

    type: str
    queued: int
    failures: int
    set_aside: int
    queued_id: str
    set_aside_id: str


class DeniedCommands(NamedTuple):
    """Queued commands of a type that wait for a right, in the words of Postgres; one of them."""

    type: str
    error: str
    queued: int
    queued_id: str


class HotKey(NamedTuple):
    """A key with many queued commands, beside how many are queued in all."""

    key: str
    queued: int
    of: int


def limit_look(connection: Connection, wanted: Mapping[str, str]) -> None:
    """Give settings these values until the transaction ends."""
    connection.execute(sql.load("doctor/limit_look"), {"wanted": json.dumps(wanted)})


def find_server(connection: Connection) -> Server:
    """Which database this is, as whom we are there, and its time."""
    row = connection.execute(sql.load("doctor/find_server")).fetchone()
    if row is None:
        raise RuntimeError("doctor/find_server returned no row")
    return Server(*row)


def list_settings(connection: Connection, names: Sequence[str]) -> dict[str, Setting]:
    """By name those of these settings that the server knows."""
    rows = connection.execute(sql.load("doctor/list_settings"), {"names": list(names)})
    return {name: Setting(value, source) for name, value, source in rows}


def count_connections(connection: Connection) -> Connections:
    """How many connections there are and may be."""
    row = connection.execute(sql.load("doctor/count_connections")).fetchone()
    if row is None:
        raise RuntimeError("doctor/count_connections returned no row")
    return Connections(*row)


def list_open_transactions(connection: Connection) -> list[OpenTransaction]:
    """Those that have drawn an id, oldest first, without prepared ones."""
    rows = connection.execute(sql.load("doctor/list_open_transactions"))
    return [OpenTransaction(*row) for row in rows]


def list_prepared(connection: Connection) -> list[Prepared]:
    """All of the server, oldest first."""
    return [Prepared(*row) for row in connection.execute(sql.load("doctor/list_prepared"))]


def list_unidentified(connection: Connection, schemas: Sequence[str]) -> list[Unidentified]:
    """Tables of these schemas of which Postgres refuses each UPDATE and DELETE."""
    given = {"schemas": list(schemas)}
    rows = connection.execute(sql.load("doctor/list_unidentified"), given)
    return [Unidentified(*row) for row in rows]


def list_days(connection: Connection) -> list[Day]:
    """The days of the table of events, oldest first, then the default partition."""
    return [Day(*row) for row in connection.execute(sql.load("doctor/list_days"))]


def list_default_days(connection: Connection) -> list[tuple[date, int]]:
    """The days of events in the default partition, and how many there are of each."""
    rows = connection.execute(sql.load("doctor/list_default_days"))
    return [(day, events) for day, events in rows]


def list_blocked_days(connection: Connection, days: Sequence[date]) -> list[date]:
    """Those of these days that have events in the default partition: they can get none."""
    given = {"days": list(days)}
    return [day for (day,) in connection.execute(sql.load("doctor/list_blocked_days"), given)]


def find_oldest(connection: Connection) -> Oldest:
    """What purge would take first."""
    row = connection.execute(sql.load("doctor/find_oldest")).fetchone()
    if row is None:
        raise RuntimeError("doctor/find_oldest returned no row")
    return Oldest(*row)


def list_waiting_topics(connection: Connection, most: int) -> list[WaitingTopic]:
    """The topics of at most so many unpublished events, as far as the mirror knows."""
    rows = connection.execute(sql.load("doctor/list_waiting_topics"), {"most": most})
    return [WaitingTopic(*row) for row in rows]


def list_holds(connection: Connection) -> list[HeldEvent]:
    """What shards wait for, the longest first."""
    return [HeldEvent(*row) for row in connection.execute(sql.load("doctor/list_holds"))]


def list_refusals(connection: Connection) -> list[tuple[str, str]]:
    """Why workers refuse to publish, and what mends it, in their words."""
    rows = connection.execute(sql.load("doctor/list_refusals"))
    return [(reason or "", hint or "") for reason, hint in rows]


def list_failing(connection: Connection, since: datetime) -> list[Failing]:
    """By type the commands that are tried again, or were set aside since then."""
    rows = connection.execute(sql.load("doctor/list_failing"), {"since": since})
    return [Failing(*row) for row in rows]


def list_denied_commands(connection: Connection) -> list[DeniedCommands]:
    """By type and message the queued commands for which the worker lacks a right."""
    rows = connection.execute(sql.load("doctor/list_denied_commands"))
    return [DeniedCommands(*row) for row in rows]


def list_hot_keys(connection: Connection, most: int) -> list[HotKey]:
    """So many keys, those with the most queued commands first."""
    rows = connection.execute(sql.load("doctor/list_hot_keys"), {"most": most})
    return [HotKey(*row) for row in rows]
