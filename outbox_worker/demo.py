"""The demonstration: servers, a service that writes, a worker that dies, a subscriber, a verdict.

Everything it starts goes with it, and so does all data.
"""

from __future__ import annotations

import json
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outbox_worker import database, kafka, migrations, verify
from outbox_worker.errors import OutboxError, WorkFailedError
from outbox_worker.local import broker
from outbox_worker.local.mock import MockCluster, open_mock
from outbox_worker.local.ports import wait_until_ready
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.local.worker import WorkerProcess
from outbox_worker.maintenance import partitions
from outbox_worker.scan import SCAN_OPTIONS
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS, Settings
from outbox_worker.stores import demo, lag
from outbox_worker.stores.demo import Draft
from outbox_worker.tail import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.tail import Event

TOPIC: Final = "demo.orders"
PARTITIONS: Final = 4
ORDERS: Final = 8
"""Few orders, so that the writers meet: order within a key is what is hard."""

WRITERS: Final = 4
CHANGES: Final = 150
"""Transactions of each writer."""

ROLL_BACK: Final = 0.1
SEED: Final = 20

START_S: Final = 20.0
CATCH_UP_S: Final = 35.0
"""From a death: 6 s until Kafka notices it, then what piled up."""

SHOWN_KEY: Final = "order-1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demonstration runs; `mock` is there where the broker is no real one."""

    settings: Settings
    topic: str
    mock: MockCluster | None

    @property
    def url(self) -> str:
        """Of the database."""
        return self.settings.need_database()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a worker."""
        return {
            "OUTBOX_DATABASE_URL": self.url,
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "OUTBOX_GROUP": self.settings.group,
            "OUTBOX_HTTP_ADDRESS": "",
        }


class Writers:
    """A service's threads: each transaction changes an order and publishes that it did."""

    def __init__(self, place: Place) -> None:
        """Nothing is written before `run`."""
        self._place = place
        self._lock = threading.Lock()
        self._halfway = threading.Event()
        self.committed = 0
        self.rolled_back = 0

    @contextmanager
    def run(self) -> Iterator[threading.Event]:
        """Write in threads; the event is set when half is done; the block's end waits for all."""
        with ThreadPoolExecutor(WRITERS) as pool:
            futures = [pool.submit(self._write, seed) for seed in range(WRITERS)]
            yield self._halfway
            for future in futures:
                future.result()

    def _write(self, seed: int) -> None:
        dice = random.Random(SEED + seed)  # noqa: S311  a demonstration, not a cipher
        with database.connect(self._place.url, application="demo writer") as link:
            for _ in range(CHANGES):
                number = f"order-{dice.randint(1, ORDERS)}"
                is_rolled_back = dice.random() < ROLL_BACK
                with link.transaction(force_rollback=is_rolled_back):
                    change = demo.change_order(link, number)
                    payload = json.dumps({"order": number, "change": change})
                    demo.publish(link, Draft(self._place.topic, number, "order.changed", payload))
                self._count(is_rolled_back=is_rolled_back)

    def _count(self, *, is_rolled_back: bool) -> None:
        with self._lock:
            self.rolled_back += is_rolled_back
            self.committed += not is_rolled_back
            if self.rolled_back + self.committed >= WRITERS * CHANGES // 2:
                self._halfway.set()


@contextmanager
def open_place(say: Callable[[str], None]) -> Iterator[Place]:
    """Servers, schema, topics; `say` hears what happens."""
    with ExitStack() as stack:
        say("Postgres: a server of its own in a temporary directory")
        postgres = stack.enter_context(PostgresServer())
        mock: MockCluster | None = None
        try:
            say("Kafka: a real broker, by Java with Maven or by Docker")
            bootstrap = stack.enter_context(broker.open_broker())
        except (OutboxError, ImportError) as error:
            mock = stack.enter_context(open_mock())
            bootstrap = mock.bootstrap
            say(
                f"No real broker here ({error}). Instead librdkafka's mock cluster: it shows the "
                "flow and NOT the guarantee, for it knows no transactions"
            )
        given = os.environ.get(broker.VARIABLE) is not None
        mark = f"-{os.getpid()}" if given else ""  # A broker that stays may have seen us before.
        settings = Settings(
            database_url=postgres.url(),
            kafka_bootstrap_servers=bootstrap,
            kafka_properties=None,
            group=f"demo{mark}",
        )
        place = Place(settings, f"{TOPIC}{mark}", mock)
        say(f"Schema `outbox` and topic {place.topic} with {PARTITIONS} partitions")
        _prepare(place)
        yield place


def _prepare(place: Place) -> None:
    with database.connect(place.url, application="demo") as link:
        migrations.apply(link)
        partitions.run_once(link)
        demo.create_orders(link)
        for number in range(1, ORDERS + 1):
            demo.insert_order(link, f"order-{number}")
    if place.mock is not None:
        place.mock.create_topic(ANCHOR_TOPIC, SHARDS)
        place.mock.create_topic(place.topic, PARTITIONS)
        return
    admin = kafka.make_admin(place.settings)
    kafka.ensure_anchor_topic(admin)
    kafka.create_topic(admin, place.topic, PARTITIONS, 1)


@contextmanager
def start_worker(place: Place) -> Iterator[WorkerProcess]:
    """A worker that has its shards; `WorkFailedError` with its log where it gets none."""
    with WorkerProcess(place.environment) as worker:
        wait_until_ready(lambda: has_shards(worker) or worker.has_ended, START_S)
        if not has_shards(worker):
            raise WorkFailedError(f"The worker did not start:\n{worker.log_text()[-2_000:]}")
        yield worker


def has_shards(worker: WorkerProcess) -> bool:
    """Whether Kafka has given it a share, as its log says."""
    return "shards_assigned" in worker.log_text()


def write_specials(place: Place) -> None:
    """An idempotency key used twice, and a tombstone."""
    with database.connect(place.url, application="demo") as link:
        paid = Draft(place.topic, SHOWN_KEY, "order.paid", '{"cents": 1250}', "payment-77")
        first, second = demo.publish(link, paid), demo.publish(link, paid)
        if first != second:
            raise WorkFailedError("The same idempotency key gave two events")
        demo.publish(link, Draft(place.topic, SHOWN_KEY, "order.deleted", None))


def await_published(place: Place) -> None:
    """Wait until nothing waits any more, as the workers say in Postgres."""
    with database.connect(place.url, application="demo") as link:
        if not wait_until_ready(lambda: not any(r.events for r in lag.list_lag(link)), CATCH_UP_S):
            raise WorkFailedError(
                f"After {CATCH_UP_S:.0f} s there are events that are not published",
                "Run it again; if it happens again, look at what the machine is busy with",
            )


def read_events(place: Place) -> list[Event]:
    """What a subscriber finds of one order, in its order; the last is its tombstone."""
    found = []
    for event in follow(place.settings, place.topic, threading.Event(), from_beginning=True):
        if event.key == SHOWN_KEY:
            found.append(event)
            if event.payload is None:
                break
    return found


def judge(place: Place) -> verify.Report:
    """The table against the topic."""
    with database.connect(place.url, application="demo", options=SCAN_OPTIONS) as link:
        migrations.check(link)
        return verify.run_once(place.settings, link, lambda _: None, lambda _: None)
