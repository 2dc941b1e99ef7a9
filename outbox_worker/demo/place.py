"""Where the demonstration runs.

Everything that is started here goes with it, and so does all data.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from outbox_worker.application.loading import load
from outbox_worker.demo import events
from outbox_worker.errors import OutboxError, WorkFailedError
from outbox_worker.local import broker
from outbox_worker.local.mock import MockCluster, open_mock
from outbox_worker.local.ports import wait_until_ready
from outbox_worker.local.postgres import PostgresServer
from outbox_worker.local.worker import WorkerProcess
from outbox_worker.maintenance import partitions
from outbox_worker.postgres import database, migrations
from outbox_worker.settings import ANCHOR_TOPIC, SHARDS, Settings, TopicShape
from outbox_worker.stores import lag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from outbox_worker.application import Application
    from outbox_worker.application.demo import Demo

GROUP: Final = Settings.model_fields["group"].default
"""A worker that is started by hand on these servers continues with them."""

SHAPE: Final = TopicShape(partitions=4, replication=1)

START_S: Final = 45.0
"""A start takes 2 s; 16 s were seen where ten processes wanted each of two cores."""

CATCH_UP_S: Final = 60.0
"""From a death: 6 s until Kafka notices it, then what piled up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Servers that run; `mock` is there where the broker is no real one."""

    settings: Settings
    application: Application
    mock: MockCluster | None

    @property
    def url(self) -> str:
        """Of the database."""
        return self.settings.need_database()

    @property
    def prefix(self) -> str:
        """Of the topics."""
        return self.settings.topic_prefix or ""

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a worker."""
        return {
            "OUTBOX_GROUP": self.settings.group,
            "OUTBOX_APPLICATION": self.settings.application,
            "OUTBOX_TOPIC_PREFIX": self.prefix,
            "OUTBOX_DATABASE_URL": self.url,
            "OUTBOX_KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "OUTBOX_CREATE_TOPICS": f"{SHAPE.partitions}:{SHAPE.replication}",
            "OUTBOX_HTTP_ADDRESS": "",
        }

    @property
    def leading_here(self) -> dict[str, str]:
        """The settings with which a worker that is started by hand continues here."""
        own = {"OUTBOX_GROUP": GROUP, "OUTBOX_TOPIC_PREFIX": self.application.topic_prefix}
        servers = ("OUTBOX_DATABASE_URL", "OUTBOX_KAFKA_BOOTSTRAP_SERVERS")
        return {
            name: value
            for name, value in self.environment.items()
            if name in servers or (name in own and value != own[name])
        }

    @property
    def demo(self) -> Demo:
        """What is played."""
        return self.application.demo or events.DEMO

    @property
    def topics(self) -> list[str]:
        """Where the events of the story go."""
        return [f"{self.prefix}{each}" for each in self.demo.fields]


@contextmanager
def open_place(application: str, say: Callable[[str], None]) -> Iterator[Place]:
    """Servers and the tables of the application of this name; `say` hears what happens."""
    found = load(application)
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
        mark = f"demo-{os.getpid()}." if given else ""  # A broker that stays may have seen us.
        settings = Settings(
            database_url=postgres.url(),
            kafka_bootstrap_servers=bootstrap,
            kafka_properties=None,
            group=f"{mark}{GROUP}",
            topic_prefix=f"{mark}{found.topic_prefix}",
            application=application,
        )
        place = Place(settings, found, mock)
        say("Schema, as `outbox-worker migrate` makes it")
        _prepare(place)
        yield place


def _prepare(place: Place) -> None:
    with database.connect(place.url, application="demo") as link:
        migrations.apply(link, place.application.tables)
        partitions.run_once(link)
    if place.mock is not None:
        # A real broker's topics are made by the worker; this one is no server to ask.
        place.mock.create_topic(ANCHOR_TOPIC, SHARDS)
        for topic in place.topics:
            place.mock.create_topic(topic, SHAPE.partitions)


@contextmanager
def start_worker(
    place: Place, is_ready: Callable[[WorkerProcess], bool]
) -> Iterator[WorkerProcess]:
    """A worker that is ready; `WorkFailedError` with its log where it does not become so."""
    with WorkerProcess(place.environment) as worker:
        wait_until_ready(lambda: is_ready(worker) or worker.has_ended, START_S)
        if not is_ready(worker):
            raise WorkFailedError(f"The worker did not start:\n{worker.log_text()[-2_000:]}")
        yield worker


def has_started(worker: WorkerProcess) -> bool:
    """Whether it looks for commands, as its log says."""
    return '"started"' in worker.log_text()


def has_shards(worker: WorkerProcess) -> bool:
    """Whether Kafka has given it a share of the table, as its log says."""
    return "shards_assigned" in worker.log_text()


def await_published(place: Place) -> None:
    """Wait until nothing waits any more, as the workers say in the view outbox.lag."""
    with database.connect(place.url, application="demo") as link:
        if not wait_until_ready(lambda: not any(r.events for r in lag.list_lag(link)), CATCH_UP_S):
            raise WorkFailedError(
                f"After {CATCH_UP_S:.0f} s there are events that are not published",
                "Run it again; if it happens again, look at what the machine is busy with",
            )
