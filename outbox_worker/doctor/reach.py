"""The two servers reached, and asked who they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException

from outbox_worker.doctor.finding import Finding, passed
from outbox_worker.kafka.admin import unreachable
from outbox_worker.kafka.clients import make_admin
from outbox_worker.postgres import database
from outbox_worker.settings import ANCHOR_TOPIC
from outbox_worker.stores import doctor

if TYPE_CHECKING:
    from outbox_worker.doctor.servers import Servers

NAME: Final = "outbox-worker doctor"

ASK_S: Final = 4.0
"""Time for the first answer of a broker: a connection, and what it offers."""


def with_postgres(servers: Servers) -> Servers:
    """`servers` with a new read-only connection; `SettingsError`, `ServerError`."""
    link = database.connect_to_look(servers.settings.need_database(), application=NAME)
    return replace(servers, connection=link)


def with_kafka(servers: Servers) -> Servers:
    """`servers` with an admin client that got an answer; `SettingsError`, `ServerError`."""
    admin = make_admin(servers.settings)
    try:
        admin.list_topics(ANCHOR_TOPIC, timeout=ASK_S)
    except KafkaException as error:
        raise unreachable(error.args[0]) from error
    return replace(servers, kafka=admin)


def see_postgres(servers: Servers) -> Finding:
    """Which server and database this is, and as whom we are there."""
    with servers.reading() as link:
        found = doctor.find_server(link)
    where = "a socket of this host" if found.address is None else f"{found.address}:{found.port}"
    return passed(f"database {found.database} at {where}, as {found.login}")


def see_kafka(servers: Servers) -> Finding:
    """Which brokers answer."""
    found = servers.admin.list_topics(ANCHOR_TOPIC, timeout=ASK_S)
    count = len(found.brokers)
    return passed(f"{count} broker{'s' if count != 1 else ''} of cluster {found.cluster_id}")
