"""What a story is given: sessions of a service, workers that die, a screen."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from outbox_worker.demo import place as places
from outbox_worker.errors import WorkFailedError
from outbox_worker.local.ports import wait_until_ready
from outbox_worker.postgres import database
from outbox_worker.stores import demo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from outbox_worker.demo.place import Place
    from outbox_worker.demo.screen import Screen
    from outbox_worker.local.worker import WorkerProcess
    from outbox_worker.stores import Connection
    from outbox_worker.stores.demo import Outcome, Request

WRITER: Final[Mapping[str, str]] = {"role": "outbox_writer"}
READER: Final[Mapping[str, str]] = {"role": "outbox_reader"}
"""The roles that the schema brings for those who ask and for those who read."""

RESULT_S: Final = 60.0
"""A result takes milliseconds, also beside a death; this is for a machine that is busy."""


class LocalStage:
    """A `Stage` on servers of this machine."""

    def __init__(self, place: Place, screen: Screen, link: Connection, workers: ExitStack) -> None:
        """Tell on `screen`; `workers` ends those that are started."""
        self._place = place
        self._workers = workers
        self._worker: WorkerProcess | None = None
        self.link = link
        self.can_kill = place.mock is None
        self.chapter = screen.chapter
        self.say = screen.say
        self.show = screen.show
        self.show_outcomes = screen.show_outcomes

    def topic(self, kind: str) -> str:
        """Where events of this type go."""
        return f"{self._place.prefix}{kind}"

    def connect(self) -> AbstractContextManager[Connection]:
        """A session of the service's own, in autocommit."""
        return connect(self._place.url)

    def connect_reader(self) -> AbstractContextManager[Connection]:
        """A session with the rights of a reader."""
        return connect(self._place.url, READER)

    def start_worker(self) -> int:
        """The first is ready with its shards; another gets them once Kafka misses the first."""
        is_ready = places.has_shards if self._worker is None else places.has_started
        worker = self._workers.enter_context(places.start_worker(self._place, is_ready))
        self._worker = worker
        return worker.pid

    def kill_worker(self) -> None:
        """SIGKILL to the worker that was started last."""
        if self._worker is not None:
            self._worker.kill()

    def stop_worker(self) -> None:
        """SIGTERM, and its end."""
        if self._worker is not None:
            self._worker.stop()

    def submit(self, connection: Connection, request: Request) -> UUID:
        """Ask for a command in the caller's transaction; its id."""
        return demo.submit(connection, request)

    def ask(self, requests: Sequence[Request]) -> list[Outcome]:
        """Submit in one transaction, and wait for the outcomes, which come in the same order."""
        with self.link.transaction():
            ids = [demo.submit(self.link, request) for request in requests]
        return self.await_outcomes(ids)

    def await_outcomes(self, command_ids: Sequence[UUID]) -> list[Outcome]:
        """Wait until each of these commands has its outcome; `WorkFailedError` if not."""
        found: dict[UUID, Outcome] = {}

        def are_there() -> bool:
            missing = [each for each in command_ids if each not in found]
            listed = demo.list_outcomes(self.link, missing)
            found.update((each.command_id, each) for each in listed)
            return all(each in found for each in command_ids)

        if not wait_until_ready(are_there, RESULT_S):
            missing = len(set(command_ids) - found.keys())
            raise WorkFailedError(
                f"After {RESULT_S:.0f} s there are {missing} commands without a result",
                "Run it again; if it happens again, look at what the machine is busy with",
            )
        return [found[each] for each in command_ids]

    def await_success(self, command_ids: Sequence[UUID]) -> None:
        """`WorkFailedError` where a command was rejected that could be executed."""
        for outcome in self.await_outcomes(command_ids):
            if outcome.error is not None:
                raise WorkFailedError(f"Command {outcome.command_id} was rejected: {outcome.error}")

    def await_succeeded(self, least: int) -> None:
        """Wait until at least so many commands succeeded; `WorkFailedError` if they do not."""
        if not wait_until_ready(
            lambda: self.count_commands().get("succeeded", 0) >= least, RESULT_S
        ):
            raise WorkFailedError("The worker executes no commands")

    def count_commands(self) -> dict[str, int]:
        """How many commands there are, by status."""
        return demo.count_commands(self.link)


@contextmanager
def open_stage(place: Place, screen: Screen) -> Iterator[LocalStage]:
    """A stage whose workers end with the block."""
    with ExitStack() as workers, connect(place.url) as link:
        yield LocalStage(place, screen, link, workers)


@contextmanager
def connect(url: str, options: Mapping[str, str] = WRITER) -> Iterator[Connection]:
    """A session of a service, in autocommit."""
    with database.connect(url, application="demo service", options=options) as connection:
        yield connection
