"""The way of an event through the code is short, and is the one that ARCHITECTURE.md names."""

from __future__ import annotations

import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from prometheus_client import CollectorRegistry

import outbox_worker
from outbox_worker.kafka import anchor
from outbox_worker.kafka.admin import create_topic
from outbox_worker.kafka.clients import make_admin
from outbox_worker.observe.metrics import RelayMetrics
from outbox_worker.settings import SHARDS, Settings
from outbox_worker.tracing.spans import NoSpans
from outbox_worker.wiring import build_relay
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from types import FrameType

    from outbox_worker.relay.relay import Relay

pytestmark = pytest.mark.slow

PACKAGE: Final = Path(outbox_worker.__file__).parent
ARCHITECTURE: Final = PACKAGE.parent / "ARCHITECTURE.md"
INSERT: Final = "INSERT INTO outbox.event (topic, key, type) VALUES (%s, 'key', %s)"
FLAGS: Final = re.MULTILINE | re.DOTALL
MARKED: Final = "marked.v1"
"""The type of the event that is followed."""

MOST_MODULES: Final = 12


def named() -> list[str]:
    """The modules that ARCHITECTURE.md names as the way, in order."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    (row,) = re.findall(r"^The modules that hold it, in order: (.+?)\.\n\n", page, FLAGS)
    return re.findall(r"`([\w/]+\.py)`", row)


def holds_event(value: object, depth: int = 3) -> bool:
    """Whether the marked event is in `value`, or in what that is made of."""
    if isinstance(value, tuple) and MARKED in [each for each in value if isinstance(each, str)]:
        return True
    if depth == 0:
        return False
    if isinstance(value, list | tuple | set | frozenset):
        return any(holds_event(each, depth - 1) for each in value)
    if isinstance(value, dict):
        return any(holds_event(each, depth - 1) for each in value.values())
    fields = getattr(value, "__dataclass_fields__", ())
    return any(holds_event(getattr(value, each, None), depth - 1) for each in fields)


class Trace:
    """The modules in whose functions the marked event is, by their first call."""

    def __init__(self) -> None:
        self._number = 0
        self._calls: dict[int, int] = {}
        self._first: dict[str, int] = {}

    @property
    def modules(self) -> list[str]:
        return sorted(self._first, key=self._first.__getitem__)

    def note(self, frame: FrameType, event: str, result: object) -> None:
        """As `sys.setprofile` asks for it."""
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE):
            return
        if event == "call":
            self._number += 1
            self._calls[id(frame)] = self._number
        elif event == "return" and id(frame) in self._calls:
            called, name = self._calls[id(frame)], path.relative_to(PACKAGE).as_posix()
            found = [each for name, each in frame.f_locals.items() if name != "self"]
            if called < self._first.get(name, sys.maxsize) and holds_event([result, *found]):
                self._first[name] = called


def follow(relay: Relay) -> list[str]:
    """The modules that hold the marked event in one step of the relay."""
    trace = Trace()
    sys.setprofile(trace.note)
    try:
        relay.run_once()
    finally:
        sys.setprofile(None)
    return trace.modules


def test_an_event_takes_the_way_that_the_architecture_names(
    database: str, kafka_bootstrap_servers: str
) -> None:
    topic = f"way-{uuid.uuid4().hex[:8]}"
    settings = Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, group=topic
    )
    anchor.ensure_topic(make_admin(settings))
    create_topic(make_admin(settings), topic, 1, 1)
    relay = build_relay(settings, f"{topic}.1", RelayMetrics(CollectorRegistry()), NoSpans())

    def write(kind: str) -> None:
        with psycopg.connect(database) as link:
            link.execute(INSERT, (topic, kind))

    def serves_all() -> bool:
        relay.run_once()
        return len(relay.positions) == SHARDS

    def has_published() -> bool:
        before = dict(relay.positions)
        relay.run_once()
        return before != relay.positions

    relay.start()
    try:
        wait_until(serves_all, 60, "every shard is served")
        for _ in range(2):
            write("other.v1")
            wait_until(has_published, 30, "it is published")
        write(MARKED)
        way = follow(relay)
    finally:
        relay.close()
    assert way == named()
    assert 3 < len(way) <= MOST_MODULES
