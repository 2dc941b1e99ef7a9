"""Settings of the server that the worker suffers from.

Those of a login or a database that a session sets for itself do not count: each session of the
worker has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from outbox_worker.doctor.finding import Finding, Level, passed
from outbox_worker.postgres.session import UNCONVERTED
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from outbox_worker.doctor.servers import Servers
    from outbox_worker.stores.doctor import Setting


class Harm(NamedTuple):
    """What a value of a setting does."""

    name: str
    value: str
    level: Level
    does: str


HARMS: Final = (
    Harm("fsync", "off", Level.FAIL, "a crash of the server corrupts the database"),
    Harm("full_page_writes", "off", Level.FAIL, "a crash of the server corrupts the database"),
    Harm(
        "synchronous_commit",
        "off",
        Level.WARN,
        "a crash of the server loses commits that may be published already (history_lost)",
    ),
    Harm("track_activities", "off", Level.WARN, "nobody sees what a session does, nor since when"),
    Harm("autovacuum", "off", Level.WARN, "the index of queued commands only grows"),
)

READ_ONLY: Final = "default_transaction_read_only"
OF_THE_SERVER: Final = frozenset({"configuration file", "command line"})
"""Where a value comes from that no session of ours sets anew."""


def look(servers: Servers) -> Finding:
    """Fails where the worker cannot write or a crash destroys data; warns of what hurts less."""
    with servers.reading() as link:
        encoding = link.info.parameter_status("server_encoding")
        found = doctor.list_settings(link, [READ_ONLY, *(each.name for each in HARMS)])
    seen = list(_harms(found))
    if encoding == UNCONVERTED:
        does = "it takes bytes for text that no reader can read"
        seen.append(Harm("server_encoding", UNCONVERTED, Level.FAIL, does))
    if not seen:
        return passed("none of those that hurt")
    worst = Level.FAIL if any(each.level is Level.FAIL for each in seen) else Level.WARN
    return Finding(
        worst,
        "; ".join(f"{each.name} = {each.value}: {each.does}" for each in seen),
        _remedy(seen),
        tuple(_lines(seen, found)),
    )


def _harms(found: Mapping[str, Setting]) -> Iterator[Harm]:
    read_only = found.get(READ_ONLY)
    if read_only and read_only.value == "on" and read_only.source in OF_THE_SERVER:
        yield Harm(READ_ONLY, "on", Level.FAIL, "the worker does not write to such a server")
    for harm in HARMS:
        if (setting := found.get(harm.name)) and setting.value == harm.value:
            yield harm


def _remedy(seen: list[Harm]) -> str:
    if any(each.name == READ_ONLY for each in seen):
        return "See who made it read-only and why: a full disk, or a switch-over"
    if any(each.value == UNCONVERTED for each in seen):
        return "Make a database WITH ENCODING 'UTF8' TEMPLATE template0, and move to it"
    return "Set it back, as a superuser, unless somebody knows why it is so"


def _lines(seen: list[Harm], found: Mapping[str, Setting]) -> Iterator[str]:
    by_name = [each.name for each in seen if each in HARMS]
    for name in by_name:
        if found[name].source in {"database", "user", "database user"}:
            yield f"ALTER ROLE LOGIN RESET {name};  -- or ALTER DATABASE, where it is set there"
        else:
            yield f"ALTER SYSTEM RESET {name};"
    if by_name:
        yield 'psql "$OUTBOX_DATABASE_URL" -c "SELECT pg_reload_conf()"'
