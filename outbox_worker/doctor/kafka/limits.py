"""Settings of the brokers that limit what the worker wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import KafkaException

from outbox_worker.doctor.finding import Finding, Level, passed, skipped
from outbox_worker.kafka import brokers, rights
from outbox_worker.settings import SESSION_TIMEOUT_MS, TRANSACTION_TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbox_worker.doctor.servers import Servers

TRANSACTION_MAX: Final = "transaction.max.timeout.ms"
SESSION_MIN: Final = "group.min.session.timeout.ms"
SESSION_MAX: Final = "group.max.session.timeout.ms"
METADATA_MAX: Final = "offset.metadata.max.bytes"
RETENTION: Final = "offsets.retention.minutes"
NAMES: Final = (TRANSACTION_MAX, SESSION_MIN, SESSION_MAX, METADATA_MAX, RETENTION)


class Bound(NamedTuple):
    """From `least` to `most` a value is fine; beyond, `level` and what it does."""

    name: str
    least: float
    most: float
    level: Level
    does: str


EVER: Final = float("inf")

TRANSACTIONS: Final = (
    Bound(
        TRANSACTION_MAX,
        brokers.SHORTER_MS[-1],
        EVER,
        Level.FAIL,
        "no worker can begin a transaction",
    ),
    Bound(TRANSACTION_MAX, TRANSACTION_TIMEOUT_MS, EVER, Level.WARN, "batches must be smaller"),
)
SESSIONS: Final = (
    Bound(SESSION_MIN, 0, brokers.LONGER_MS[-1], Level.FAIL, "no worker can join the group"),
    Bound(SESSION_MAX, SESSION_TIMEOUT_MS, EVER, Level.FAIL, "no worker can join the group"),
    Bound(SESSION_MIN, 0, SESSION_TIMEOUT_MS, Level.WARN, "a dead worker is noticed later"),
)
METADATA: Final = (
    Bound(METADATA_MAX, 4_096, EVER, Level.FAIL, "transactions with a long position are refused"),
)
OFFSETS: Final = (
    Bound(
        RETENTION,
        1_440,
        EVER,
        Level.WARN,
        "the positions of workers that are stopped for as long are dropped, and events may be "
        "repeated",
    ),
)


def transactions(servers: Servers) -> Finding:
    """Fails where the brokers take no time-out of a transaction that the worker tries."""
    return _within(servers, TRANSACTIONS)


def sessions(servers: Servers) -> Finding:
    """Fails where the brokers take no session that the worker tries."""
    return _within(servers, SESSIONS)


def metadata(servers: Servers) -> Finding:
    """Fails where a position does not fit in the metadata of an offset."""
    return _within(servers, METADATA)


def offsets(servers: Servers) -> Finding:
    """Warns where positions are dropped within a day."""
    return _within(servers, OFFSETS)


def ask(servers: Servers) -> dict[str, dict[int, str]]:
    """What each broker has for these settings, by name and broker."""
    return brokers.settings_of(servers.admin, NAMES)


def _within(servers: Servers, bounds: tuple[Bound, ...]) -> Finding:
    try:
        found = servers.once(ask)
    except KafkaException as error:
        if error.args[0].code() in rights.REFUSALS:
            return skipped(
                "not seen: this user may not read the settings of the brokers",
                "The worker needs no such right, and says at its start what a broker refuses",
                rights.on_settings(),
            )
        raise
    beyond = list(_beyond(found, bounds))
    names = dict.fromkeys(each.name for each in bounds)
    if not beyond:
        values = (f"{name} = {min(found[name].values(), key=int)}" for name in names if found[name])
        return passed(", ".join(values) or "the brokers do not know it")
    bound, broker, value = beyond[0]
    fine = int(bound.least if bound.most == EVER else min(bound.most, SESSION_TIMEOUT_MS))
    if bound.name == TRANSACTION_MAX:
        fine = TRANSACTION_TIMEOUT_MS
    return Finding(
        bound.level,
        f"{bound.name} = {value} (broker {broker}): {bound.does}",
        f"Set {bound.name} of all brokers to {fine}, or leave it as it comes",
    )


def _beyond(
    found: dict[str, dict[int, str]], bounds: tuple[Bound, ...]
) -> Iterator[tuple[Bound, int, str]]:
    for bound in bounds:
        for broker, value in sorted(found[bound.name].items()):
            if not bound.least <= int(value) <= bound.most:
                yield bound, broker, value
