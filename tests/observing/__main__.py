"""Test the alert rules, then have Prometheus scrape a worker and answer the dashboard's queries.

It needs `promtool` and `prometheus` (Debian: `apt-get install prometheus`), and ends after about a
minute.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import psycopg
import yaml

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
from tests.commands.inbox import submit
from tests.harness.cluster import Cluster, free_address
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until
from tests.observing.deploy import PROMETHEUS, RULES, alerts, queries

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Its path; ends this program where it is not installed."""
    found = shutil.which(name)
    if found is None:
        sys.exit(f"error: missing {name}\n  hint: Debian, Ubuntu: apt-get install prometheus")
    return found


def test_rules() -> None:
    """Have promtool read the rules, and run their tests."""
    for order in (("check", "rules", RULES.name), ("test", "rules", "outbox.rules.test.yml")):
        subprocess.run([program("promtool"), *order], cwd=PROMETHEUS, check=True)


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


def await_answers(server: Prometheus, link: psycopg.Connection[Any]) -> None:
    """Submit commands until nothing is wrong; say what is, and end, where that lasts."""
    wrong: list[str] = []

    def is_well() -> bool:
        submit(link)
        wrong[:] = look(server)
        return not wrong

    wait_until(server.is_scraping, START_S, "Prometheus has scraped the worker")
    try:
        wait_until(is_well, START_S, "it answers")
    except AssertionError:
        sys.exit("\n".join(wrong))


def fire() -> None:
    """A worker with events and commands, and a Prometheus that scrapes it."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-observing-"))
    with PostgresServer() as postgres, KafkaServer() as kafka:
        url = postgres.url(make_database(postgres))
        with Cluster(url, kafka.bootstrap, folder) as cluster:
            worker = cluster.worker("--role", "all", http_address=free_address())
            wait_until(lambda: worker.ready()[0] == 200, START_S, "the worker is ready")
            with (
                psycopg.connect(url, autocommit=True) as link,
                cluster.workload(pause_s=0.1),
                prometheus(folder, worker.http_address) as server,
            ):
                await_answers(server, link)
    shutil.rmtree(folder)
    click.echo(f"{len(list(queries()))} queries answered, {len(alerts())} alerts loaded")


if __name__ == "__main__":
    test_rules()
    fire()
