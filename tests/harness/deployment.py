"""A Postgres and a Kafka as SECURITY.md sets them up, with TLS, logins and rights."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psycopg
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from confluent_kafka.cimpl import NewTopic
from psycopg import conninfo

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.ports import HOST
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS
from tests.harness import security_page as page
from tests.harness import tools
from tests.harness.brokers import require_java
from tests.harness.certificates import Authority, own_file
from tests.harness.databases import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTGRES: Final = "Postgres with TLS"
KAFKA: Final = "Kafka with TLS, passwords and ACLs"
NAME: Final = "localhost"
"""What the certificate of Postgres is issued for; an address of this machine is another name."""
TOPIC: Final = "orders"
ADMIN_S: Final = 60.0
PASSWORDS: Final = {
    name: f"secret of {name}" for name in ("admin", "outbox", "billing", "worker", "orders")
}
SCRAM: Final = re.search(r"`(SCRAM-SHA-512=.*?)`", page.TEXT)
QUICK_CLEANER: Final = {"log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "100"}
"""Compaction within a second and not after a quarter of a minute."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Servers that run, and the settings of a worker and of clients that come to them."""

    postgres: PostgresServer
    kafka: KafkaServer
    authority: Authority
    folder: Path
    settings: dict[str, str]
    """Those of a worker, as the page exports them."""
    subscriber: dict[str, str]
    """The properties of the user `billing`."""
    admin: AdminClient
    """An administrator of Kafka, by the listener that the tests keep for themselves."""

    def connect(self, **changes: str) -> psycopg.Connection:
        """A session by the URL of the worker, with these changes."""
        url = conninfo.make_conninfo(self.settings["database_url"], **changes)
        return psycopg.connect(url, autocommit=True)

    def superuser(self) -> psycopg.Connection:
        """A session by the socket of the server, which `pg_hba.conf` of the page leaves open."""
        return self.connect(
            user="postgres",
            host=str(self.postgres.directory),
            sslmode="disable",
            channel_binding="disable",
        )


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Do what the page says, in its order."""
    require_java()
    authority = Authority(folder)
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(binaries=tools.postgres_with_tls()))
        database = _secure_postgres(postgres, authority)
        kafka = KafkaServer(settings=_broker_settings(folder, authority))
        stack.enter_context(kafka)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        _secure_kafka(kafka, admin, folder, authority)
        settings = {
            **_database_settings(postgres, database, folder, authority),
            **_kafka_settings(kafka, folder, authority),
        }
        subscriber = page.properties(_client_properties(authority, "billing"))
        yield Deployment(postgres, kafka, authority, folder, settings, subscriber, admin)


def _secure_postgres(server: PostgresServer, authority: Authority) -> str:
    """Returns the database, which is migrated."""
    database = make_database(server)
    certificate, key = authority.issue(server.directory, NAME)
    setting, hba, roles, _ = page.section(POSTGRES)
    paths = {
        "/etc/postgresql/tls/server.crt": str(certificate),
        "/etc/postgresql/tls/server.key": str(key),
    }
    with psycopg.connect(server.url(database), autocommit=True) as admin:
        for statement in page.filled(setting.text, paths).split(";\n"):
            admin.execute(statement.encode())
        admin.execute(roles.text.encode())
        for login in ("worker", "orders"):
            # As \password of psql: what the server sees is a verifier.
            verifier = admin.pgconn.encrypt_password(
                PASSWORDS[login].encode(), login.encode(), b"scram-sha-256"
            )
            admin.execute(f"ALTER ROLE {login} PASSWORD '{verifier.decode()}'".encode())
        row = admin.execute("SHOW hba_file").fetchone()
        assert row is not None
        # The system's user of these tests has another name than the database's.
        names = {"shop": database, "10.0.0.0/8": "127.0.0.0/8", "peer": "trust"}
        lines = page.filled(hba.text, {**names, "all       postgres ": "all       all      "})
        os.truncate(row[0], 0)
        with open(row[0], "a", encoding="utf-8") as file:  # noqa: PTH123  it keeps its owner
            file.write(lines)
        admin.execute("SELECT pg_reload_conf()")
    return database


def _database_settings(
    server: PostgresServer, database: str, folder: Path, authority: Authority
) -> dict[str, str]:
    passwords = "".join(f"*:*:*:{name}:{PASSWORDS[name]}\n" for name in ("worker", "orders"))
    names = {
        "db.example:5432": f"{NAME}:{server.port}",
        "/shop?": f"/{database}?",
        "/etc/ssl/company-ca.pem": str(authority.certificate),
        "/run/secrets/pgpass": str(own_file(folder / "pgpass", passwords.encode())),
    }
    *_, export = page.section(POSTGRES)
    return page.exported(page.filled(export.text, names), folder, os.environ["PATH"])


def _broker_settings(folder: Path, authority: Authority) -> dict[str, str]:
    certificate, key = authority.issue(folder, NAME, HOST)
    pem = own_file(folder / "broker.pem", key.read_bytes() + certificate.read_bytes())
    listener = page.section(KAFKA)[0].text
    # The listener of the tests' server that has another name in the page.
    names = {"CLIENTS": "BEHIND", "clients": "behind", "/etc/kafka/broker.pem": str(pem)}
    settings = page.properties(page.filled(listener, names))
    protocols = "listener.security.protocol.map"
    settings[protocols] = f"CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT,{settings[protocols]}"
    settings["super.users"] = f"User:ANONYMOUS;{settings['super.users']}"
    return {**settings, **QUICK_CLEANER}


def _secure_kafka(
    server: KafkaServer, admin: AdminClient, folder: Path, authority: Authority
) -> None:
    _make_admin(admin)
    topics = [NewTopic(ANCHOR_TOPIC, SHARDS, 1), NewTopic(TOPIC, 2, 1)]
    for order in admin.create_topics(topics).values():
        order.result(ADMIN_S)
    _, tool, users, rights, *_ = page.section(KAFKA)
    names = {
        "/etc/ssl/company-ca.pem": str(authority.certificate),
        'password="..."': f'password="{PASSWORDS["admin"]}"',
    }
    (folder / "admin.properties").write_text(page.filled(tool.text, names))
    assert SCRAM is not None
    for user in ("outbox", "billing"):
        line = page.filled(SCRAM[1], {"...": PASSWORDS[user]})
        (folder / f"{user}.scram").write_text(f"{line}\n")
    path = f"{tools.scripts(folder)}{os.pathsep}{os.environ['PATH']}"
    bootstrap = {"kafka.example:9093": f"{HOST}:{server.behind_proxy}"}
    texts = [page.filled(block.text, bootstrap) for block in (users, rights)]
    with ThreadPoolExecutor() as pool:
        # Neither needs the other, and each starts several virtual machines of Java.
        [*_] = pool.map(lambda text: page.run(text, folder, path), texts)


def _make_admin(admin: AdminClient) -> None:
    """The user that an administrator has before anything of the page."""
    order = UserScramCredentialUpsertion(
        "admin",
        ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192),
        PASSWORDS["admin"].encode(),
    )
    admin.alter_user_scram_credentials([order])["admin"].result(ADMIN_S)


def _client_properties(authority: Authority, user: str) -> str:
    names = {
        "/etc/ssl/company-ca.pem": str(authority.certificate),
        "sasl.username=outbox": f"sasl.username={user}",
        "=...": f"={PASSWORDS[user]}",
    }
    return page.filled(page.section(KAFKA)[4].text, names)


def _kafka_settings(server: KafkaServer, folder: Path, authority: Authority) -> dict[str, str]:
    file = own_file(folder / "kafka.properties", _client_properties(authority, "outbox").encode())
    names = {
        "kafka.example:9093": f"{HOST}:{server.behind_proxy}",
        "/run/secrets/kafka.properties": str(file),
        # The test starts it, with the settings that were exported.
        "outbox-worker run": "",
    }
    export = page.section(KAFKA)[5]
    return page.exported(page.filled(export.text, names), folder, os.environ["PATH"])
