"""The compose file: settings that exist, images that are tested, no password in sight."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

import outbox_worker
from outbox_worker import settings
from outbox_worker.local import kafka
from outbox_worker.local.ports import HOST
from outbox_worker.local.postgres import find_binaries
from tests.cli.conftest import run_command
from tests.harness.cluster import Cluster
from tests.harness.waiting import wait_until
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer
    from outbox_worker.stores import Connection

Service = dict[str, Any]

REQUIRED: Final = re.compile(r"\$\{(\w+):\?")
"""A variable without which compose does not start."""

PASSWORD: Final = "it's one"
ROLES: Final = """
    SELECT roleid::regrole::text FROM pg_auth_members WHERE member = current_user::regrole"""
ATTRIBUTES: Final = """
    SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
    FROM pg_roles WHERE rolname = current_user"""
PASSWORD_IS_KEPT_HASHED: Final = """
    SELECT rolpassword LIKE 'SCRAM-SHA-256$%%' FROM pg_authid WHERE rolname = 'worker'"""
STATUSES: Final = "SELECT status FROM outbox.command"


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """The services of the compose file, by name."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, Service] = yaml.safe_load(text)["services"]
    return found


def image(service: Service) -> tuple[str, str]:
    """Name and tag."""
    name, _, tag = service["image"].partition(":")
    return name, tag


def test_stack_is_what_a_deployment_has(services: dict[str, Service]) -> None:
    observing = {name for name, each in services.items() if each.get("profiles") == ["observe"]}
    assert observing == {"prometheus", "grafana"}
    assert set(services) - observing == {
        "postgres",
        "kafka",
        "migrate",
        "login",
        "worker",
        "purge",
    }


def test_purge_runs_daily_and_keeps_running_where_it_fails(services: dict[str, Service]) -> None:
    (script,) = services["purge"]["command"]
    assert "outbox-worker purge --older-than-days 30 ||" in script
    assert "sleep 86400" in script
    assert services["purge"]["restart"] == "unless-stopped"


def test_what_looks_on_is_reached_from_this_machine_only(services: dict[str, Service]) -> None:
    for name in ("prometheus", "grafana"):
        (port,) = services[name]["ports"]
        assert port.startswith("127.0.0.1:")


def test_kafka_is_the_one_that_is_tested(services: dict[str, Service]) -> None:
    assert image(services["kafka"]) == ("apache/kafka", kafka.VERSION)


@pytest.mark.parametrize("name", ["postgres", "login"])
def test_postgres_is_the_one_that_is_tested(services: dict[str, Service], name: str) -> None:
    program = find_binaries() / "postgres"
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    tested = re.search(r"\d+\.\d+", said.stdout)
    assert tested
    assert image(services[name]) == ("postgres", tested[0])


@pytest.mark.parametrize("name", ["migrate", "worker", "purge"])
def test_worker_image_carries_the_version_of_the_program(
    services: dict[str, Service], name: str
) -> None:
    assert image(services[name]) == ("outbox-worker", outbox_worker.__version__)
    assert services[name]["build"] == "."


@pytest.mark.parametrize("name", ["migrate", "worker"])
def test_settings_in_the_compose_file_are_accepted(
    services: dict[str, Service], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = services[name]["environment"]
    ours = {key: value for key, value in environment.items() if key.startswith("OUTBOX_")}
    known = {f"OUTBOX_{field.upper()}" for field in settings.Settings.model_fields}
    assert set(ours) <= known
    for key, value in ours.items():
        monkeypatch.setenv(key, value)
    loaded = settings.load()
    assert loaded.need_kafka() == "kafka:9092"
    assert loaded.need_database()


def test_no_password_is_written_down(services: dict[str, Service]) -> None:
    for service in services.values():
        for key, value in service.get("environment", {}).items():
            if "PASSWORD" in key:
                assert REQUIRED.match(value), "missing: said, not empty"
            assert not re.search(r"://[^/@]*:[^/@]*@", value), "a password inside a URL"


def test_transactions_work_on_one_broker(services: dict[str, Service]) -> None:
    environment = services["kafka"]["environment"]
    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "1"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "1"
    assert environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1"


def test_worker_starts_after_schema_and_broker(services: dict[str, Service]) -> None:
    ended = {"condition": "service_completed_successfully"}
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["login"]["depends_on"] == {"migrate": ended}
    assert services["worker"]["depends_on"] == {
        "login": ended,
        "kafka": {"condition": "service_healthy"},
    }
    for name in ("postgres", "kafka"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_worker_gets_the_time_to_hand_over_and_comes_back(services: dict[str, Service]) -> None:
    grace = int(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > 5, "a stop takes up to 5 s by contract"
    assert services["worker"]["restart"] == "unless-stopped"


def test_worker_and_purge_know_no_password_but_their_own(services: dict[str, Service]) -> None:
    passwords = {
        name: {
            found[1]
            for text in service.get("environment", {}).values()
            if (found := REQUIRED.match(text))
        }
        for name, service in services.items()
    }
    assert passwords["worker"] == {"WORKER_PASSWORD"}
    assert passwords["purge"] == {"PURGE_PASSWORD"}
    assert passwords["migrate"] == passwords["postgres"] == {"POSTGRES_PASSWORD"}


@pytest.fixture
def login(
    services: dict[str, Service], postgres: PostgresServer, database: str
) -> Iterator[Callable[[], str]]:
    """Runs what the service `login` runs, in the test's database; the worker's URL there."""
    name = database.rpartition("/")[2]
    service = services["login"]
    variables = {
        "PGHOST": HOST,
        "PGPORT": str(postgres.port),
        "PGUSER": "postgres",
        "PGDATABASE": name,
        "PGOPTIONS": "-c log_statement=all",
        "WORKER_PASSWORD": PASSWORD,
        "PURGE_PASSWORD": PASSWORD,
        "PATH": f"{postgres.binary('psql').parent}{os.pathsep}{os.environ['PATH']}",
    }
    user = urlsplit(services["worker"]["environment"]["OUTBOX_DATABASE_URL"]).username
    assert user

    def run() -> str:
        order = [*service["entrypoint"], *service["command"]]
        done = subprocess.run(order, env=variables, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return postgres.url(name, user=user)

    yield run
    with psycopg.connect(database, autocommit=True) as link:
        link.execute(f"DROP ROLE {user}, purge".encode())


def test_the_workers_password_reaches_the_server_as_a_verifier(
    login: Callable[[], str], postgres: PostgresServer
) -> None:
    before = len(postgres.log_text())
    login()
    said = postgres.log_text()[before:]
    assert "SCRAM-SHA-256$" in said, "the server logs each statement"
    assert PASSWORD.rpartition("'")[2] not in said


def test_the_worker_has_the_documented_rights_and_no_others(
    login: Callable[[], str], connection: Connection
) -> None:
    url = login()
    assert login() == url, "it is run again with each start"
    with psycopg.connect(url) as link:
        assert link.execute(ROLES).fetchall() == [("outbox_worker",)]
        assert link.execute(ATTRIBUTES).fetchone() == (False,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("CREATE TABLE outbox.mine ()")
    assert connection.execute(PASSWORD_IS_KEPT_HASHED).fetchone() == (True,)


def test_purge_has_the_documented_rights_which_are_enough_for_its_work(
    services: dict[str, Service],
    login: Callable[[], str],
    postgres: PostgresServer,
) -> None:
    name = urlsplit(login()).path.removeprefix("/")
    user = urlsplit(services["purge"]["environment"]["OUTBOX_DATABASE_URL"]).username
    assert user
    url = postgres.url(name, user=user)
    with psycopg.connect(url) as link:
        assert link.execute(ROLES).fetchall() == [("outbox_purge",)]
        assert link.execute(ATTRIBUTES).fetchone() == (False,)
    done = run_command("purge", "--older-than-days", "30", database_url=url)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_worker_with_the_login_of_the_compose_file_publishes(
    login: Callable[[], str], database: str, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    settings = {"database_url": login(), "create_topics": "1:1"}
    with Cluster(database, kafka_bootstrap_servers, tmp_path, **settings) as cluster:
        cluster.workers(1)
        with psycopg.connect(database) as link:
            link.execute(
                "SELECT outbox.publish(%s, 'k', 'order.placed', '{}'::jsonb)", (cluster.topics[0],)
            )
            link.execute(
                "SELECT outbox.submit('CreateClass', 'k', "
                """'{"name": "9A", "course_codes": ["ENG5"]}', 'teacher')"""
            )
        wait_until(lambda: cluster.reads(cluster.topics[0]) == 1, 30, "the event is published")
        with psycopg.connect(database) as link:
            wait_until(
                lambda: link.execute(STATUSES).fetchall() == [("succeeded",)],
                30,
                "the command is executed",
            )
        assert "worker-1" not in cluster.unexpected_exits
        wait_until(
            lambda: run_command("status", **cluster.settings).returncode == 0,
            30,
            "status finds all well",
        )
        assert cluster.run("verify")
        cluster.stop_all()


def test_ports_are_open_to_this_machine_only(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
