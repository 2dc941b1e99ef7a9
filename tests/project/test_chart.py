"""The Helm chart, rendered by Helm and held against Kubernetes' schemas and the program."""

from __future__ import annotations

import json
import re
import urllib.request
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import kubernetes_validate
import psycopg
import pytest
import yaml
from prometheus_client import CollectorRegistry

import outbox_worker
from outbox_worker.cli import COMMANDS
from outbox_worker.observe import http
from outbox_worker.observe.health import Health
from outbox_worker.settings import SHARDS, Settings
from tests.doctor.conftest import login
from tests.harness.cluster import free_address
from tests.harness.helm import CHART, Helm, find_helm, of_kind, pods
from tests.observing.deploy import DASHBOARD, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from outbox_worker.stores import Connection

pytestmark = pytest.mark.slow

VERSIONS: Final = ("1.27", "1.31", "1.35")
ANSWER_S: Final = 10.0
OF_THE_CHART: Final = frozenset(
    {"database_url", "kafka_bootstrap_servers", "kafka_properties", "http_address", "instance_id"}
)
"""Settings that the chart gives itself, or that fit no Deployment."""

CUSTOM: Final[Mapping[str, frozenset[str]]] = {
    "PodMonitor": frozenset({"jobLabel", "selector", "podMetricsEndpoints"}),
    "PrometheusRule": frozenset({"groups"}),
    "TriggerAuthentication": frozenset({"secretTargetRef"}),
    "ScaledObject": frozenset(
        {
            *("scaleTargetRef", "pollingInterval", "minReplicaCount", "maxReplicaCount"),
            *("advanced", "triggers"),
        }
    ),
}
"""What their operators' schemas know, which no package has."""


def secret(name: str) -> dict[str, str]:
    return {"name": name, "key": "url"}


LOGINS: Final = {f"{each}Secret": secret(each) for each in ("worker", "migrate", "purge")}
LEAST: Final[dict[str, Any]] = {
    "image": {"repository": "images.example/outbox-worker"},
    "kafka": {"bootstrapServers": "kafka:9092"},
    "databases": {"orders": LOGINS},
}
OFF: Final[dict[str, Any]] = {
    **LEAST,
    "databases": {"orders": {"workerSecret": secret("worker")}},
    "migrate": {"enabled": False},
    "purge": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}
ALL: Final[dict[str, Any]] = {
    **LEAST,
    "kafka": {"bootstrapServers": "kafka:9092", "propertiesSecret": {"name": "kafka-client"}},
    "settings": {"create_topics": "8:3", "batch_rows": 1_000_000, "on_refused": "park"},
    "databases": {
        "orders": {
            **LOGINS,
            "settings": {"source": "/orders", "batch_rows": 100},
            "workers": {"all": {"autoscaling": {"enabled": True, "maxReplicas": SHARDS}}},
        },
        "mail": {
            **LOGINS,
            "kafka": {"bootstrapServers": "other:9092"},
            "workers": {
                "all": {"enabled": False},
                "relay": {"role": "relay"},
                "commands": {"role": "commands", "autoscaling": {"enabled": True}},
            },
        },
    },
    "image": {**LEAST["image"], "digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "pull"}]},
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "dashboard": {"enabled": True},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}]},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "orders"},
    "priorityClassName": "high",
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "env": [{"name": "OTEL_SERVICE_NAME", "value": "outbox"}],
    "volumes": [{"name": "more", "emptyDir": {}}],
    "volumeMounts": [{"name": "more", "mountPath": "/more"}],
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture
def helm(program: Path, tmp_path: Path) -> Helm:
    return Helm(program, tmp_path)


def environment(pod: Mapping[str, Any]) -> dict[str, str]:
    (container,) = pod["spec"]["containers"]
    return {each["name"]: each.get("value", "(secret)") for each in container["env"]}


@pytest.mark.parametrize("values", [LEAST, OFF, ALL], ids=["least", "off", "all"])
def test_what_it_renders_fits_the_schemas_of_kubernetes(
    helm: Helm, values: Mapping[str, Any]
) -> None:
    objects = helm.render(values)
    for each in objects:
        assert len(each["metadata"]["name"]) <= 52, "a CronJob adds 11 characters of 63"
        if each["kind"] in CUSTOM:
            assert each["spec"].keys() <= CUSTOM[each["kind"]], each
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    code, said, _ = helm.run("lint", values, "--strict")
    assert code == 0, said


def test_each_database_has_workers_a_migration_and_a_purge_with_logins_of_their_own(
    helm: Helm,
) -> None:
    objects = helm.render(ALL)
    made = dict(pods(objects))
    orders, mail = "rel-outbox-worker-orders", "rel-outbox-worker-mail"
    assert set(made) == {
        *(f"{orders}-{each}" for each in ("all", "migrate", "purge")),
        *(f"{mail}-{each}" for each in ("relay", "commands", "migrate", "purge")),
    }
    groups = {name: environment(pod)["OUTBOX_GROUP"] for name, pod in made.items()}
    wanted_groups = {name: orders if orders in name else mail for name in made}
    assert groups == {name: f"default.{group}" for name, group in wanted_groups.items()}
    wanted = {"OUTBOX_BATCH_ROWS": "100", "OUTBOX_SOURCE": "/orders", "OUTBOX_ON_REFUSED": "park"}
    assert wanted.items() <= environment(made[f"{orders}-all"]).items()
    assert environment(made[f"{mail}-relay"])["OUTBOX_BATCH_ROWS"] == "1000000"
    assert environment(made[f"{mail}-relay"])["OUTBOX_KAFKA_BOOTSTRAP_SERVERS"] == "other:9092"
    for name, pod in made.items():
        (container,) = pod["spec"]["containers"]
        (url,) = [each for each in container["env"] if each["name"] == "OUTBOX_DATABASE_URL"]
        kind = name.rpartition("-")[2]
        wanted_secret = kind if kind in {"migrate", "purge"} else "worker"
        assert url["valueFrom"]["secretKeyRef"] == secret(wanted_secret)
        has_kafka = "OUTBOX_KAFKA_BOOTSTRAP_SERVERS" in environment(pod)
        assert has_kafka == (wanted_secret == "worker"), "others need no credentials of Kafka"


def test_pods_are_confined(helm: Helm) -> None:
    for name, pod in pods(helm.render(ALL)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        confined = container["securityContext"]
        assert confined["readOnlyRootFilesystem"] is True
        assert confined["allowPrivilegeEscalation"] is False
        assert confined["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
        assert container["image"].endswith(f"@sha256:{'0' * 64}")


def answers(path: str) -> bool:
    """Whether the worker knows this path."""
    address = free_address()
    server = http.HttpServer(address, Health(), CollectorRegistry())
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=ANSWER_S) as answer:
            return bool(answer.status == HTTPStatus.OK)
    finally:
        server.close()


def test_it_gives_the_program_what_the_program_knows(helm: Helm) -> None:
    for name, pod in pods(helm.render(ALL)):
        (container,) = pod["spec"]["containers"]
        word, *options = container["args"]
        assert word in COMMANDS, name
        command = import_module(f"outbox_worker.cli.{word}").command
        context = command.make_context(word, list(options))
        assert context.args == []
        given = {each for each in environment(pod) if each.startswith("OUTBOX_")}
        assert given <= {f"OUTBOX_{each.upper()}" for each in Settings.model_fields}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                assert answers(container[probe]["httpGet"]["path"]), probe


def test_the_schema_of_the_values_has_every_setting_and_every_value(helm: Helm) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    settings = set(schema["properties"]["settings"]["properties"])
    assert settings == set(Settings.model_fields) - OF_THE_CHART
    database = schema["properties"]["databases"]["additionalProperties"]
    assert set(database["properties"]["settings"]["properties"]) == settings
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) == {*values, "global"}
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == chart["version"] == outbox_worker.__version__
    assert helm.run("lint", LEAST)[0] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image": {}}, "/image/repository"),
        ({"kafka": {"bootstrapServers": ""}}, "kafka.bootstrapServers: is missing"),
        ({"databases": {"orders": {}}}, "workerSecret"),
        ({"databases": {"orders": {"workerSecret": secret("a")}}}, "purgeSecret: is missing"),
        ({"databases": {"Orders": LOGINS}}, "'Orders' does not match"),
        ({"setings": {}}, "'setings'"),
        ({"settings": {"batch_row": 1}}, "'batch_row'"),
        ({"settings": {"database_url": "postgresql://me:secret@db/x"}}, "'database_url'"),
        (
            {"workers": {"all": {"autoscaling": {"enabled": True, "maxReplicas": SHARDS + 1}}}},
            f"maximum: got {SHARDS + 1}, want {SHARDS}",
        ),
        ({"workers": {"more": {}}}, "workers.more.role: is missing"),
        (
            {"settings": {"group": "one"}, "databases": {"a": LOGINS, "b": LOGINS}},
            "a and b have the same",
        ),
        (
            {"databases": {each: {**LOGINS, "settings": {"group": "g"}} for each in "ab"}},
            "a and b have the same",
        ),
        (
            {"workers": {"all": {"autoscaling": {"minReplicas": 9}}}},
            "workers.all.autoscaling.minReplicas: is above maxReplicas",
        ),
    ],
)
def test_values_that_cannot_be_meant_are_refused_by_name(
    helm: Helm, wrong: Mapping[str, Any], said: str
) -> None:
    code, _, text = helm.run("template", {**LEAST, **wrong})
    assert code != 0
    assert said in text


def test_the_alerts_count_each_database_and_are_those_of_deploy(helm: Helm) -> None:
    objects = helm.render(ALL)
    (monitor,) = of_kind(objects, "PodMonitor").values()
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    scraped = [pod for _, pod in pods(objects) if wanted <= pod["metadata"]["labels"].items()]
    jobs = {pod["metadata"]["labels"][monitor["spec"]["jobLabel"]] for pod in scraped}
    assert jobs == {"rel-outbox-worker-orders", "rel-outbox-worker-mail"}
    assert len(scraped) == len(of_kind(objects, "Deployment"))
    (port,) = [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]]
    for pod in scraped:
        (container,) = pod["spec"]["containers"]
        (named,) = container["ports"]
        assert named["name"] == port
        assert environment(pod)["OUTBOX_HTTP_ADDRESS"].endswith(f":{named['containerPort']}")
    (rule,) = of_kind(objects, "PrometheusRule").values()
    *given, own = rule["spec"]["groups"]
    assert given == yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    asked = {each["expr"] for each in own["rules"]}
    assert asked == {f'absent(outbox_build_info{{job="{job}"}})' for job in jobs}
    (shown,) = of_kind(objects, "ConfigMap").values()
    assert json.loads(shown["data"]["outbox.json"]) == json.loads(DASHBOARD.read_text("utf-8"))


def test_keda_asks_what_the_workers_login_may_ask(helm: Helm, connection: Connection) -> None:
    objects = helm.render(ALL)
    scalers = of_kind(objects, "ScaledObject")
    assert set(scalers) == {"rel-outbox-worker-orders-all", "rel-outbox-worker-mail-commands"}
    keys = of_kind(objects, "TriggerAuthentication")
    deployments = of_kind(objects, "Deployment")
    with login(connection, "outbox_worker") as url, psycopg.connect(url) as link:
        for name, scaler in scalers.items():
            assert scaler["spec"]["scaleTargetRef"]["name"] in deployments
            assert "replicas" not in deployments[name]["spec"], "two would decide"
            (trigger,) = scaler["spec"]["triggers"]
            assert trigger["authenticationRef"]["name"] in keys
            (reference,) = keys[name]["spec"]["secretTargetRef"]
            assert reference == {"parameter": "connection", **secret("worker")}
            assert link.execute(trigger["metadata"]["query"].encode()).fetchall() == [(0,)]
            assert re.fullmatch(r"[1-9]\d*", trigger["metadata"]["targetQueryValue"])
