"""`python -m tests.soak.hung_calls`: twenty calls to Kafka that hang, in the worker's own times.

It takes six minutes. `tests/exactly_once/test_hung_calls.py` has the same with fewer and shorter
ones. The worker ends with the ninth; each time it is started anew.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from outbox_worker.local.kafka import KafkaServer
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.relay.abandonable import MOST_LEFT
from outbox_worker.relay.publisher import FINISH_S
from tests.harness.coordinator import Coordinated, Usage, coordinated, hung, usage
from tests.harness.databases import make_database
from tests.harness.waiting import wait_until
from tests.harness.workers import ANSWERLESS

if TYPE_CHECKING:
    from tests.harness.workers import Worker

CALLS: Final = 20
CALL_S: Final = 4 * FINISH_S


def let_hang(servers: Coordinated, worker: Worker, calls: int, before: Usage) -> int:
    """Have so many calls of the worker hang, or as many as end it; returns how many did."""
    so_far = hung(worker)

    def is_reached(number: int) -> bool:
        return hung(worker) - so_far >= number or not worker.alive

    servers.bar_producers()
    for number in range(1, calls + 1):
        wait_until(partial(is_reached, number), CALL_S, f"call {number} hangs")
        if not worker.alive:
            return number
        now = usage(worker)
        click.echo(f"{number} hang: {now.threads} threads, {now.megabytes} MB")
        assert now.within(number + 1, before), f"{now} with {number} calls, {before} before"
    return calls


def run_round(servers: Coordinated) -> None:
    """A worker after the other, until so many calls have hung; the last one continues."""
    cluster, left = servers.cluster, CALLS
    while left > 0:
        worker = cluster.worker(kafka_bootstrap_servers=servers.bootstrap)
        cluster.await_new(100)
        before = usage(worker)
        click.echo(f"a worker works: {before.threads} threads, {before.megabytes} MB")
        left -= let_hang(servers, worker, min(left, MOST_LEFT + 1), before)
        servers.let_in()
        if not worker.alive:
            code = worker.process.returncode
            assert code == ANSWERLESS, f"exit code {code}"
            click.echo(f"it ended with code {code}")
            cluster.started.remove(worker)
    assert cluster.alive, "it continues where fewer hang"
    cluster.await_new(100)


@click.command()
def main() -> None:
    """Have the calls hang, and look whether anything is lost, read twice, or out of order."""
    folder = Path(tempfile.mkdtemp(prefix="outbox-hung-calls-"))
    with PostgresServer() as postgres, KafkaServer() as kafka:
        url = postgres.url(make_database(postgres))
        with coordinated(kafka, url, folder) as servers:
            with servers.cluster.workload(pause_s=0.1):
                run_round(servers)
            servers.cluster.assert_exactly_once()
    shutil.rmtree(folder)
    click.echo(f"{CALLS} calls hung, lost 0, duplicated 0, out of order 0")


if __name__ == "__main__":
    main()
