"""The alert rules by promtool; the dashboard's queries by a Prometheus that scrapes a worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
import yaml

from tests.commands.inbox import submit
from tests.harness.cluster import Cluster, free_address
from tests.harness.waiting import wait_until
from tests.observing.deploy import PROMETHEUS, RULES, alerts, queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.workers import Worker

START_S: Final = 60.0
ANSWER_S: Final = 10.0
SCRAPE_S: Final = 1

RARE: Final = (
    "outbox_aborts_total",
    "outbox_db_errors_total",
    "outbox_dead_letters",
    "outbox_reconnects_total",
)
"""Metrics that a worker shows only after something went wrong."""


def program(name: str) -> str:
    """Its path, which Debian's package `prometheus` brings."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"No {name} on this machine. Debian: apt-get install prometheus")
    return found


class Prometheus:
    """A running server, asked over HTTP."""

    def __init__(self, address: str) -> None:
        """Ask it there."""
        self._url = f"http://{address}/api/v1"

    def ask(self, path: str, **given: str) -> Any:  # noqa: ANN401  JSON
        """What it answers; an HTTP error where it refuses the question."""
        url = f"{self._url}/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310  ours
            return json.load(answer)["data"]

    def is_scraping(self) -> bool:
        """Whether it has scraped the worker, often enough for a rate."""
        try:
            found = self.ask("query", query="count_over_time(up[1m])")["result"]
        except OSError:
            return False
        return bool(found) and int(found[0]["value"][1]) > 2 * SCRAPE_S


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """One that scrapes `target` each second, and knows the rules."""
    jobs = [{"job_name": "outbox-worker", "static_configs": [{"targets": [target]}]}]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
        "rule_files": [str(RULES)],
        "scrape_configs": jobs,
    }
    file, address = folder / "prometheus.yml", free_address()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    order = [program("prometheus"), f"--config.file={file}", f"--web.listen-address={address}"]
    order += [f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"]
    with subprocess.Popen(order) as process:
        try:
            yield Prometheus(address)
        finally:
            process.terminate()


def look(server: Prometheus) -> list[str]:
    """What is wrong with the rules and with the answers to the dashboard's queries."""
    (group,) = server.ask("rules")["groups"]
    wrong = [
        f"{each['name']}: {each['lastError']}" for each in group["rules"] if "lastError" in each
    ]
    loaded = {each["name"] for each in group["rules"]}
    wrong += [f"{name}: not loaded" for name in set(alerts()) - loaded]
    for title, query in queries():
        asked = query.replace("$job", ".*").replace("$__rate_interval", "30s")
        found = server.ask("query", query=asked)["result"]
        if not found and not any(name in query for name in RARE):
            wrong.append(f"{title}: no answer to {asked}")
    return wrong


@pytest.mark.slow
def test_the_rules_are_valid_and_fire_as_their_own_tests_say() -> None:
    for order in (("check", "rules", RULES.name), ("test", "rules", "outbox.rules.test.yml")):
        done = subprocess.run(
            [program("promtool"), *order],
            check=False,
            cwd=PROMETHEUS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_prometheus_loads_the_alerts_and_answers_the_queries_of_the_dashboard(
    database: str, kafka_bootstrap_servers: str, tmp_path: Path
) -> None:
    with Cluster(database, kafka_bootstrap_servers, tmp_path) as cluster:
        worker = cluster.worker("--role", "all", http_address=free_address())
        watch(cluster, worker, tmp_path)


def watch(cluster: Cluster, worker: Worker, folder: Path) -> None:
    """Have Prometheus scrape the worker until it has an answer to every query."""
    wait_until(lambda: worker.ready()[0] == 200, START_S, "the worker is ready")
    wrong: list[str] = []
    with (
        psycopg.connect(cluster.url, autocommit=True) as link,
        cluster.workload(pause_s=0.1),
        prometheus(folder, worker.http_address) as server,
    ):

        def is_well() -> bool:
            submit(link)
            wrong[:] = look(server)
            return not wrong

        wait_until(server.is_scraping, START_S, "Prometheus has scraped the worker")
        try:
            wait_until(is_well, START_S, "it answers every query")
        except AssertionError:
            pytest.fail("\n".join(wrong))
