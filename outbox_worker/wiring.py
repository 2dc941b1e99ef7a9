"""From settings to a daemon: the one place that knows how the parts fit."""

from __future__ import annotations

import secrets
import socket
from typing import TYPE_CHECKING, Final

import structlog

from outbox_worker import __version__
from outbox_worker.application.loading import NONE, load, load_settings
from outbox_worker.commands.executor import Executor, ExecutorParts
from outbox_worker.commands.loop import CommandLoop
from outbox_worker.commands.sessions import Sessions
from outbox_worker.daemon import Daemon
from outbox_worker.kafka import anchor, brokers
from outbox_worker.kafka.clients import make_admin, make_producer
from outbox_worker.kafka.config import group_config, producer_config
from outbox_worker.maintenance.gauges import command_gauges, lag_gauges
from outbox_worker.maintenance.instance import Instance
from outbox_worker.maintenance.jobs import JobLoop
from outbox_worker.maintenance.upkeep import Upkeep
from outbox_worker.observe.commands import CommandMetrics
from outbox_worker.observe.dead_letters import DeadLetterNumbers
from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.observe.numbers import ScrapeNumbers
from outbox_worker.observe.process import show_process
from outbox_worker.observe.statements import StatementMetrics
from outbox_worker.postgres import access, database, migrations, switchover
from outbox_worker.relay.batch_size import BatchSize
from outbox_worker.relay.claim import Claims
from outbox_worker.relay.dead_letters import DeadLetters
from outbox_worker.relay.group import Group
from outbox_worker.relay.loop import RelayLoop
from outbox_worker.relay.park_policy import ParkPolicy
from outbox_worker.relay.position_lookup import PositionLookup
from outbox_worker.relay.publisher import Publisher
from outbox_worker.relay.reader import TableReader
from outbox_worker.relay.redrive import Redrive
from outbox_worker.relay.relay import Relay, RelayParts
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.takeover import Takeover
from outbox_worker.relay.topics import Topics
from outbox_worker.relay.transaction import Transactions
from outbox_worker.stores.outbox import Limits
from outbox_worker.tracing import start as tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from outbox_worker.application import Application
    from outbox_worker.settings import Role, Settings
    from outbox_worker.tracing.spans import Spans

AFTERWARDS: Final = 1
"""The stage of loops that end when those that do the work are over."""

PARTS: Final[Mapping[Role, tuple[access.Part, ...]]] = {
    "relay": ("relay",),
    "commands": ("commands",),
    "all": ("relay", "commands"),
}
"""The rights that a worker needs in the database."""

log = structlog.get_logger("worker")


def build_daemon(settings: Settings, role: Role) -> Daemon:
    """A worker that is ready to run; raises where a neighbour is away or not as it must be."""
    url = settings.need_database()
    owner = transactional_id(settings)
    application = NONE if role == "relay" else load(settings.application)
    daemon = Daemon(settings)
    spans = tracing.start(__version__)
    daemon.keep(spans)
    show_process(daemon.registry)
    with database.connect(url, application="outbox-worker start") as connection:
        access.need(connection, *PARTS[role])
        migrations.check(connection, application.tables)
        switchover.see_that_numbers_go_on(connection)
    if role != "commands":
        add_relay(daemon, settings, owner, spans)
    if role != "relay":
        add_commands(daemon, settings, application, owner, spans)
    log.info("started", version=__version__, role=role, group=settings.group, worker=owner)
    return daemon


def add_relay(daemon: Daemon, settings: Settings, owner: str, spans: Spans) -> None:
    """Have `daemon` publish events, and do beside it what goes with that."""
    url = settings.need_database()
    if settings.instance_id:
        instance = Instance(url, owner, settings.instance_id)
        instance.take()
        daemon.add("instance", instance.run_once, instance.close, AFTERWARDS)
    anchor.ensure_topic(make_admin(settings))
    brokers.require_fencing(settings)
    # What a producer alone refuses of the properties file is reported before any shard is ours.
    make_producer(producer_config(settings, owner))
    metrics = RelayMetrics(daemon.registry)
    relay = build_relay(settings, owner, metrics, spans)
    relay_loop = RelayLoop(relay, daemon.health)
    daemon.add("relay", relay_loop.step, relay_loop.close)
    letters = DeadLetterNumbers()
    daemon.registry.register(letters)
    upkeep = Upkeep(settings, owner, relay, letters, metrics, daemon.health)
    daemon.add("upkeep", upkeep.run_once, upkeep.close, AFTERWARDS)
    gauges = lag_gauges(url, metrics, daemon.health)
    daemon.add("gauges", gauges.run_once, gauges.close, AFTERWARDS)


def add_commands(
    daemon: Daemon, settings: Settings, application: Application, owner: str, spans: Spans
) -> None:
    """Have `daemon` execute the application's commands, in threads that share only counters."""
    url = settings.need_database()
    own = load_settings(application.settings)
    prefix = application.prefix(settings.topic_prefix)
    metrics = CommandMetrics(daemon.registry)
    metrics.expect(application.types)
    statements = StatementMetrics(daemon.registry)
    sessions = Sessions(url, settings.command_threads, statements.cursor_factory())
    daemon.keep(sessions)
    count_result = application.count_results(daemon.registry)
    parts = ExecutorParts(
        application, prefix, settings.command_attempts, metrics, count_result, owner, spans
    )
    for number in range(settings.command_threads):
        name = f"commands-{number + 1}"
        loop = CommandLoop(name, Executor(parts), sessions, daemon.health)
        daemon.add(name, loop.step, loop.close)
    gauges = command_gauges(url, metrics, daemon.health, application.tables)
    daemon.add("command-gauges", gauges.run_once, gauges.close, AFTERWARDS)
    for job in application.jobs:
        jobs = JobLoop(job, url, prefix, own)
        daemon.add(job.name, jobs.run_once, jobs.close)
    if application.numbers is not None:
        numbers = ScrapeNumbers(url, application.numbers)
        daemon.registry.register(numbers)
        daemon.keep(numbers)


def build_relay(settings: Settings, owner: str, metrics: RelayMetrics, spans: Spans) -> Relay:
    """A relay with its clients; none of them has been used yet."""
    group = Group(group_config(settings, owner))
    config = producer_config(settings, owner)
    sources = Sources(settings.source)
    transactions = Transactions(config, sources, settings.timestamp, group.leaders)
    takeover = Takeover(settings, transactions, metrics)
    size = BatchSize(Limits(settings.batch_rows, settings.batch_bytes))
    topics = Topics(settings, group)
    publisher = Publisher(transactions, group, size, metrics, spans)
    policy = ParkPolicy(settings.on_refused)
    dead_letters = DeadLetters(policy, lambda: transactions.ids.owner, metrics)
    return Relay(
        RelayParts(
            group=group,
            lookups=PositionLookup(takeover),
            size=size,
            reader=TableReader(settings.need_database(), size, metrics),
            claims=Claims(
                settings.group, lambda: transactions.ids.owner, topics, size, dead_letters
            ),
            topics=topics,
            sources=sources,
            transactions=transactions,
            publisher=publisher,
            dead_letters=dead_letters,
            redrive=Redrive(dead_letters, publisher, topics, size),
            metrics=metrics,
        )
    )


def transactional_id(settings: Settings) -> str:
    """The name under which Kafka fences us: of this process alone, unless it was given one."""
    if settings.instance_id:
        return f"{settings.group}.{settings.instance_id}"
    return f"{settings.group}.{socket.gethostname()[:40]}.{secrets.token_hex(4)}"
