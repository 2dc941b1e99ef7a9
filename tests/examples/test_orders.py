"""The shop of `examples/orders`, installed as its page says, beside packages of other names.

What is installed is the wheel, the example, and two packages that a service may well have:
`domain` and `sql`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import uuid
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.harness.databases import make_empty_database
from tests.harness.subscriber import Subscriber
from tests.harness.waiting import patient, wait_until
from tests.project.documents import Block, blocks
from tests.project.tree import ROOT, clean_environment
from tests.project.wheels import build_wheel, install, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from outbox_worker.local.postgres import PostgresServer

# Packages come over the network the first time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]

EXAMPLE: Final = ROOT / "examples" / "orders"
PAGE: Final = blocks((EXAMPLE / "README.md").read_text(encoding="utf-8"))
APPLICATION: Final = {"OUTBOX_APPLICATION": "orders.application:orders"}
STRANGERS: Final = ("domain", "sql")

ORDERS: Final = 300
KILLS: Final = 3
SEED: Final = 10

SUBMIT: Final = """
    SELECT outbox.submit(%(type)s, %(id)s, jsonb_build_object('order_id', %(id)s::text) || %(more)s,
                         'shop')"""
STATUS: Final = "SELECT status, count(*) FROM outbox.command GROUP BY status"
TURNED_ROUND: Final = """
    SELECT count(*) FROM (
        SELECT finished_at < lag(finished_at) OVER (PARTITION BY key ORDER BY seq) AS turned
        FROM outbox.command) AS pair
    WHERE turned"""
ROWS: Final = """SELECT order_id::text, status FROM orders."order" """


@dataclass(frozen=True, slots=True)
class Shop:
    """An environment with the shop in it, and its servers."""

    bin: Path
    folder: Path
    """A copy of the example."""
    url: str
    bootstrap: str
    group: str

    def environment(self, **settings: str) -> dict[str, str]:
        """What a person sets, and the commands of the environment first."""
        given = {
            "OUTBOX_DATABASE_URL": self.url,
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "OUTBOX_GROUP": self.group,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
        }
        return clean_environment() | given | settings

    @contextmanager
    def worker(self, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """One worker of the shop; it has ended when the block has."""
        given = {
            **APPLICATION,
            "OUTBOX_CREATE_TOPICS": "2:1",
            "OUTBOX_HTTP_ADDRESS": "",
            "OUTBOX_LOG_LEVEL": "warning",
            **settings,
        }
        with subprocess.Popen(
            [self.bin / "outbox-worker", "run"], env=self.environment(**given)
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel, and packages of somebody else's."""
    directory = tmp_path_factory.mktemp("shop")
    found = install(build_wheel(directory), directory / "environment")
    # The page writes into its folder.
    shutil.copytree(EXAMPLE, directory / "orders")
    (site,) = (found.parent / "lib").glob("python3*/site-packages")
    for name in STRANGERS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f'WHOSE = "of somebody else: {name}"\n')
    return found


@pytest.fixture(scope="module")
def shop(environment: Path, postgres: PostgresServer, kafka_bootstrap_servers: str) -> Shop:
    """The shop once its page was followed from top to bottom."""
    shop = open_shop(environment, postgres, kafka_bootstrap_servers)
    for block in PAGE:
        follow(shop, block)
    return shop


def open_shop(environment: Path, postgres: PostgresServer, bootstrap: str) -> Shop:
    """A shop with an empty database."""
    name = make_empty_database(postgres)
    folder = environment.parent.parent / "orders"
    return Shop(environment, folder, postgres.url(name), bootstrap, f"group-{name}")


def follow(shop: Shop, block: Block) -> None:
    """Do what a block of the page says."""
    if block.language == "sql":
        with psycopg.connect(shop.url) as link:
            link.execute(block.text.encode())
        return
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=shop.folder,
        env=shop.environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            assert process.wait(patient(120)) == 0, block.text
        finally:
            stop_group(process)


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End what the block left in the background."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return


def test_the_page_works_beside_packages_of_other_names(shop: Shop) -> None:
    said = "import domain, sql, orders.application; print(domain.WHOSE, sql.WHOSE, sep=chr(10))"
    lines = run(shop.bin / "python", "-c", said).splitlines()
    assert (shop.folder / "contracts" / "order.placed.v1.json").exists()
    assert lines == [f"of somebody else: {name}" for name in STRANGERS]
    with psycopg.connect(shop.url) as link:
        assert link.execute(STATUS.encode()).fetchall() == [("succeeded", 1)]


def ask(link: psycopg.Connection[Any], kind: str, order: str, more: Mapping[str, Any]) -> None:
    """Submit a command as a service of the shop does."""
    given = {"type": kind, "id": order, "more": Jsonb(dict(more))}
    link.execute(SUBMIT.encode(), given)


def test_each_command_is_executed_once_though_workers_are_killed(
    shop: Shop, postgres: PostgresServer
) -> None:
    shop, dice = open_shop(shop.bin, postgres, shop.bootstrap), random.Random(SEED)
    ids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(ORDERS)]
    prefix = f"shop-{uuid.uuid4().hex[:8]}."
    settings = {"OUTBOX_TOPIC_PREFIX": prefix, "ORDERS_EXPIRE_MINUTES": "0.1"}
    migrate: list[str | Path] = [shop.bin / "outbox-worker", "migrate"]
    subprocess.run(migrate, env=shop.environment(**APPLICATION), check=True)
    with ExitStack() as stack, psycopg.connect(shop.url, autocommit=True) as link:
        workers = [stack.enter_context(shop.worker(**settings)) for _ in range(2)]
        for number, order in enumerate(ids):
            with link.transaction():
                ask(link, "PlaceOrder", order, {"customer": "Ann", "sku": "A", "quantity": 1})
                if number % 3 == 0:
                    ask(link, "CancelOrder", order, {})
                if number % 10 == 0:
                    ask(link, "PlaceOrder", order, {"customer": "B", "sku": "A", "quantity": 1})
            if number % (ORDERS // KILLS) == ORDERS // KILLS // 2:
                workers.pop(0).kill()
                workers.append(stack.enter_context(shop.worker(**settings)))

        def is_done() -> bool:
            return "queued" not in pairs(link, STATUS) and "open" not in pairs(link, ROWS).values()

        wait_until(is_done, 60, "every command is executed, and what stayed open has expired")
        outcomes, rows = pairs(link, STATUS), pairs(link, ROWS)
        assert link.execute(TURNED_ROUND.encode()).fetchone() == (0,), "in the order of its key"
        wait_until(lambda: is_published(link), 60, "every event is published")
    late = [each for number, each in enumerate(ids) if number % 3 == 0 and rows[each] == "expired"]
    assert outcomes["rejected"] == ORDERS // 10 + len(late), "an id that is taken, a late cancel"
    found = read(shop, prefix)
    assert found["order.placed.v1"] == Counter(ids)
    for kind, status in (("order.cancelled.v1", "cancelled"), ("order.expired.v1", "expired")):
        assert found[kind] == Counter(each for each in rows if rows[each] == status)
    assert found["order.cancelled.v1"].total() > len(late)


def pairs(link: psycopg.Connection[Any], statement: str) -> dict[str, Any]:
    return dict(link.execute(statement.encode()).fetchall())


def is_published(link: psycopg.Connection[Any]) -> bool:
    row = link.execute("SELECT sum(events) FROM outbox.lag").fetchone()
    return row == (0,)


def read(shop: Shop, prefix: str) -> dict[str, Counter[str]]:
    """By type the keys of the events that a subscriber gets."""
    kinds = ("order.placed.v1", "order.cancelled.v1", "order.expired.v1")
    found = {}
    for kind in kinds:
        with Subscriber(shop.bootstrap, [f"{prefix}{kind}"]) as subscriber:
            wait_until(subscriber.at_the_end, 30, "all is read")
            found[kind] = Counter(each.key or "" for each in subscriber.received)
    return found
