"""TLS, passwords, ACLs and erasure, exactly as SECURITY.md says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin._acl import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
)
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from psycopg import conninfo

from outbox_worker.local.ports import HOST
from tests.harness import rights
from tests.harness import security_page as page
from tests.harness.certificates import Authority
from tests.harness.cluster import Cluster, showing_logs
from tests.harness.deployment import KAFKA, PASSWORDS, POSTGRES, TOPIC, deployed
from tests.harness.students import naming, values, write_student
from tests.harness.waiting import patient, wait_until
from tests.harness.workers import COMMAND, ROOT, Worker, environment
from tests.project.documents import blocks
from tests.project.tree import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from confluent_kafka import Message

    from tests.harness.deployment import Deployment

pytestmark = pytest.mark.slow

START_S: Final = 60.0
FLOW_S: Final = 60.0
POLL_S: Final = 1.0
ENCRYPTED: Final = """
    SELECT usename, bool_and(ssl), min(version), count(*) FROM pg_stat_ssl
      JOIN pg_stat_activity USING (pid) WHERE usename IN ('worker', 'orders')
     GROUP BY usename ORDER BY usename"""
KEY: Final = "SELECT key FROM orders.person_key"
PERSON: Final = "22222222-2222-4222-8222-222222222222"
STUDENT: Final = "11111111-1111-4111-8111-111111111111"
NAME: Final = "Ottilia"
AGE: Final = "UPDATE outbox.command SET finished_at = finished_at - interval '3 days'"
USED: Final = (POSTGRES, KAFKA, "Erase a student", "Seal what is personal")
"""The sections with blocks, in the order of the page."""
STORED: Final = """
    SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolpassword IS NOT NULL"""
PUBLISH: Final = "SELECT outbox.publish('orders', 'order-1', 'order.placed', '{}')"
QUIET: Final = {"log_level": "0"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The servers of the page."""
    with deployed(tmp_path_factory.mktemp("deployment")) as found:
        yield found


def worker_of(deployment: Deployment, folder: Path, **changes: str) -> Worker:
    quiet = {"http_address": "", "application": ""}
    settings = {**quiet, **deployment.settings, **changes}
    return Worker("worker", folder / "worker.log", [COMMAND, "run"], **settings)


def subscriber_of(deployment: Deployment) -> Consumer:
    consumer = Consumer(
        {
            **deployment.subscriber,
            **QUIET,
            "bootstrap.servers": f"{HOST}:{deployment.kafka.behind_proxy}",
            "group.id": "billing",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([TOPIC])
    return consumer


def await_record(consumer: Consumer, key: bytes) -> Message[bytes, bytes]:
    """The next record with this key; an error of librdkafka is raised."""

    def polled() -> Message[bytes, bytes] | None:
        message = consumer.poll(POLL_S)
        error = message and message.error()
        if error:
            raise KafkaException(error)
        return message if message is not None and message.key() == key else None

    found = wait_until(polled, FLOW_S, f"the record of {key!r} is read")
    assert found is not None
    return found


def test_events_flow_from_a_service_to_a_subscriber_over_tls_alone(
    deployment: Deployment, tmp_path: Path
) -> None:
    worker = worker_of(deployment, tmp_path)
    try:
        with deployment.connect(user="orders") as service, deployment.superuser() as admin:
            service.execute(PUBLISH)
            consumer = subscriber_of(deployment)
            try:
                record = await_record(consumer, b"order-1")
                assert record.value() == b"{}"
            finally:
                consumer.close()
            (orders, working) = admin.execute(ENCRYPTED).fetchall()
            assert orders == ("orders", True, "TLSv1.3", 1)
            assert working[:3] == ("worker", True, "TLSv1.3")
        assert worker.stop() == 0
    finally:
        worker.end()
    said = worker.log.read_text(encoding="utf-8")
    assert [name for name, password in PASSWORDS.items() if password in said] == []
    with deployment.superuser() as admin:
        assert set(admin.execute(STORED)) == {(True,)}


def test_the_worker_has_no_more_rights_than_tests_show_to_be_necessary(
    deployment: Deployment,
) -> None:
    """tests/exactly_once/test_rights.py takes these rights away, one by one."""
    needed = (
        rights.on_anchor()
        | rights.on_group("outbox-worker")
        | rights.on_transactions("outbox-worker")
        | rights.on_events(TOPIC)
        | rights.on_topic(TOPIC, AclOperation.DESCRIBE_CONFIGS)
    )
    implied = {AclOperation.DESCRIBE}
    given = granted(deployment, "outbox")
    assert given == {right for right in needed if right.operation not in implied}


def granted(deployment: Deployment, user: str) -> set[rights.Right]:
    found = deployment.admin.describe_acls(filter_of(user)).result(patient(START_S))
    return {
        rights.Right(each.restype, each.name, each.operation, each.resource_pattern_type)
        for each in found
    }


def filter_of(user: str, kind: ResourceType = ResourceType.ANY) -> AclBindingFilter:
    return AclBindingFilter(
        kind,
        rights.ANYTHING,
        ResourcePatternType.ANY,
        f"User:{user}",
        rights.ANYTHING,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ResourceType.TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED),
        (ResourceType.GROUP, KafkaError.GROUP_AUTHORIZATION_FAILED),
    ],
    ids=["topic", "group"],
)
def test_a_subscriber_needs_each_of_its_rights(
    deployment: Deployment, kind: ResourceType, code: int
) -> None:
    admin = deployment.admin
    (taken,) = admin.delete_acls([filter_of("billing", kind)]).values()
    bindings = taken.result(patient(START_S))
    assert len(bindings) == 1
    consumer = subscriber_of(deployment)
    try:
        with pytest.raises(KafkaException) as refused:
            await_record(consumer, b"")
        assert refused.value.args[0].code() == code
    finally:
        consumer.close()
        for order in admin.create_acls(bindings).values():
            order.result(patient(START_S))


def test_a_subscriber_cannot_write(deployment: Deployment) -> None:
    bootstrap = f"{HOST}:{deployment.kafka.behind_proxy}"
    producer = Producer({**deployment.subscriber, **QUIET, "bootstrap.servers": bootstrap})
    ends: list[KafkaError | None] = []
    producer.produce(TOPIC, b"forged", on_delivery=lambda error, _: ends.append(error))
    producer.flush(patient(START_S))
    (error,) = ends
    assert error is not None
    assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def ends(deployment: Deployment, command: str, settings: dict[str, str]) -> subprocess.Popen[str]:
    """A command that is to end, with the settings of the page and these."""
    return subprocess.Popen(
        [COMMAND, command],
        cwd=ROOT,
        env=environment({"http_address": "", **deployment.settings, **settings}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def assert_refused(process: subprocess.Popen[str], words: str) -> None:
    said, _ = process.communicate(timeout=patient(START_S))
    assert process.returncode == 3, said
    assert words in " ".join(said.split())
    assert [name for name, password in PASSWORDS.items() if password in said] == []


def test_postgres_is_not_trusted_and_does_not_trust_without_tls(
    deployment: Deployment, tmp_path: Path
) -> None:
    changes = {
        'does not match host name "127.0.0.1"': {"host": HOST},
        "pg_hba.conf rejects connection": {"sslmode": "disable", "channel_binding": "disable"},
        "certificate verify failed": {"sslrootcert": str(Authority(tmp_path).certificate)},
    }
    right = deployment.settings["database_url"]
    started = {
        words: ends(deployment, "status", {"database_url": conninfo.make_conninfo(right, **each)})
        for words, each in changes.items()
    }
    for words, process in started.items():
        assert_refused(process, words)


def test_kafka_is_not_trusted_and_does_not_trust_without_tls(
    deployment: Deployment, tmp_path: Path
) -> None:
    right = (deployment.folder / "kafka.properties").read_text()
    other = str(Authority(tmp_path).certificate)
    faults = {
        "another password": (PASSWORDS["outbox"], "guessed"),
        "another authority": (str(deployment.authority.certificate), other),
        "no TLS": ("SASL_SSL", "SASL_PLAINTEXT"),
    }
    started = []
    for name, (before, after) in faults.items():
        file = tmp_path / f"{name}.properties"
        file.write_text(right.replace(before, after))
        started.append(ends(deployment, "run", {"kafka_properties": str(file)}))
    for process in started:
        assert_refused(process, "security properties")


def test_a_sealed_payload_is_closed_for_ever_once_its_key_is_thrown_away(
    deployment: Deployment, tmp_path: Path
) -> None:
    table, writer, reader, thrown_away = page.section("Seal what is personal")
    url = conninfo.make_conninfo(deployment.settings["database_url"], user="orders")
    worker = worker_of(deployment, tmp_path)
    consumer = subscriber_of(deployment)
    try:
        with deployment.superuser() as admin:
            admin.execute(table.text.encode())
            assert python(writer.text, OUTBOX_DATABASE_URL=url) == (0, "")
            event = await_record(consumer, b"order-7").value() or b""
            assert b"Ada" not in event
            (key,) = admin.execute(KEY).fetchone() or ()
            unsealed = f"{reader.text}\nprint(unseal(json.loads({event!r}), {key!r}))"
            assert python(unsealed) == (0, "{'name': 'Ada Ek'}\n")
            admin.execute(thrown_away.text.encode())
            assert admin.execute(KEY).fetchone() == (None,)
        code, said = python(writer.text, OUTBOX_DATABASE_URL=url)
        assert (code, said.splitlines()[-1]) == (1, f"LookupError: {PERSON} was erased")
        assert worker.stop() == 0
    finally:
        consumer.close()
        worker.end()


def python(program: str, **settings: str) -> tuple[int, str]:
    """Exit code and output of a program."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        check=False,
        env=clean_environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patient(START_S),
    )
    return done.returncode, done.stdout


def test_an_erased_student_is_gone_from_tables_and_compacted_topics(
    deployment: Deployment, database: str, tmp_path: Path
) -> None:
    statement, topic_settings = page.section("Erase a student")
    quick = page.properties(page.filled(topic_settings.text, {"86400000": "500"}))
    with showing_logs(Cluster(database, deployment.kafka.bootstrap, tmp_path)) as cluster:
        prefix = cluster.settings["topic_prefix"] = f"{cluster.name}."
        keyed = [f"{prefix}class.student.{each}.v1" for each in ("created", "updated", "deleted")]
        cluster.listen_to(dict.fromkeys(keyed, 1), **quick)
        cluster.listen_to({f"{prefix}class.student.erased.v1": 1})
        cluster.worker()
        with psycopg.connect(database, autocommit=True) as link:
            write_student(link, STUDENT, NAME)
            cluster.await_caught_up()
            assert naming(link, NAME) == {"school.student", "outbox.event", "outbox.command"}
            read = tuple(cluster.subscriber.received)
            assert {each.topic for each in read if NAME.encode() in (each.value or b"")} == {
                *keyed[:2]
            }
            link.execute(statement.text.encode())
            wait_until(lambda: cluster.reads(keyed[2]) == 1, FLOW_S, "the tombstones are read")
            assert naming(link, NAME) == {"outbox.event", "outbox.command"}

            def compacted() -> bool:
                # A record more, so that the topics begin a new segment.
                write_student(link, str(uuid4()), "Bo")
                cluster.await_caught_up()
                return not any(NAME.encode() in each for each in values(cluster, keyed))

            wait_until(compacted, FLOW_S, "the topics are compacted")
            link.execute(AGE)
            cluster.run("purge", "--older-than-days", "1")
            assert naming(link, NAME) == {"outbox.event"}


def test_every_block_of_the_page_is_used_here() -> None:
    used = [page.section(title) for title in USED]
    assert [block.text for each in used for block in each] == [
        block.text for block in blocks(page.TEXT)
    ]
