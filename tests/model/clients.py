"""The clients of Kafka that the product makes, over the simulated one, with every outcome."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, TypeVar
from unittest import mock

from confluent_kafka import KafkaError, KafkaException

from outbox_worker.kafka import brokers
from outbox_worker.relay import position_lookup, takeover
from outbox_worker.timing.backoff import Backoff
from tests.model.kafka import FencedError, NoAnswerError, RefusedError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from confluent_kafka import TopicPartition

    from tests.model.kafka import Kafka

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

FENCED: Final = KafkaError(KafkaError._FENCED, "fenced", fatal=True)
STALE: Final = KafkaError(KafkaError.ILLEGAL_GENERATION, "stale", txn_requires_abort=True)
SILENT: Final = KafkaError(KafkaError._TIMED_OUT, "no answer")

STEPS: Final = ("begin", "record", "offsets", "commit")
DEATHS: Final = tuple(f"dies {side} {step}" for side in ("before", "after") for step in STEPS)

FAULTS: Final = (
    *("the broker refuses", "the commit is not sent", "the commit is not answered"),
    *("the commit is late", "the commit is late, and the coordinator goes away"),
    *("the positions are late", "the positions are late, and the coordinator goes away"),
    "the positions are not answered",
)


class DiedError(BaseException):
    """The process is gone in the middle of a transaction; the product must not catch it."""


class Client(NamedTuple):
    """In place of the settings: whose clients these are."""

    kafka: Kafka
    chance: random.Random
    trouble: float
    group: str = "group"


class SimulatedProducer:
    """What librdkafka does with a transaction, and what may go wrong with it."""

    def __init__(self, client: Client, name: str, epoch: int) -> None:
        self._client, self._kafka = client, client.kafka
        self._name, self._epoch = name, epoch
        self._fault = ""
        self._failure: KafkaError | None = None

    def begin_transaction(self) -> None:
        chance, trouble = self._client.chance, self._client.trouble
        self._fault = ""
        if chance.random() < trouble:
            self._fault = chance.choice(DEATHS if chance.random() < 0.2 else FAULTS)
        self._may_die("before begin")
        self._failure = None
        self._may_die("after begin")

    def produce(self, *_: object, headers: list[tuple[str, str]], **_more: object) -> None:
        """Librdkafka tells of what goes wrong here only later."""
        self._may_die("before record")
        if self._failure is None:
            try:
                self._tell(self._kafka.write, dict(headers)["ce_id"])
            except KafkaException as error:
                self._failure = error.args[0]
        self._may_die("after record")

    def poll(self, _timeout: float) -> None:
        """There is no callback to serve."""

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], member: object, _timeout: float
    ) -> None:
        self._may_die("before offsets")
        if self._failure is not None:
            raise KafkaException(self._failure)
        if self._fault == "the broker refuses":
            raise KafkaException(STALE)
        if self._fault.startswith("the positions are late"):
            self._post(lambda: self._kafka.hold(self._name, self._epoch, member, offsets))
        self._tell(self._kafka.hold, member, offsets)
        if self._fault == "the positions are not answered":
            raise KafkaException(SILENT)
        self._may_die("after offsets")

    def commit_transaction(self, _timeout: float) -> None:
        self._may_die("before commit")
        if self._fault == "the commit is not sent":
            raise KafkaException(SILENT)
        if self._fault.startswith("the commit is late"):
            self._post(lambda: self._kafka.end(self._name, self._epoch, commit=True))
        self._tell(self._kafka.end, commit=True)
        if self._fault == "the commit is not answered":
            raise KafkaException(SILENT)
        self._may_die("after commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._tell(self._kafka.end, commit=False)

    def purge(self, *, blocking: bool) -> None:
        """Nothing waits in a queue."""

    def __len__(self) -> int:
        return 0

    def _tell(self, request: Callable[..., None], *given: object, **more: object) -> None:
        """A request and its answer; what the broker says, in librdkafka's words."""
        try:
            request(self._name, self._epoch, *given, **more)
        except FencedError as error:
            raise KafkaException(FENCED) from error
        except RefusedError as error:
            raise KafkaException(STALE) from error
        except NoAnswerError as error:
            raise KafkaException(SILENT) from error

    def _post(self, request: Callable[[], None]) -> None:
        """The request is on its way, and nobody waits for it any more."""

        def come() -> None:
            try:
                request()
            except (FencedError, RefusedError, NoAnswerError):
                return  # The broker's no reaches nobody.

        self._kafka.late.append((self._name, come))
        if self._fault.endswith("goes away"):
            self._kafka.away.add(self._name)
        raise KafkaException(SILENT)

    def _may_die(self, place: str) -> None:
        if self._fault == f"dies {place}":
            raise DiedError


class SimulatedPositions:
    """The positions of the group, as one sees them who wants stable ones, or any."""

    def __init__(self, config: dict[str, Any]) -> None:
        broker: Kafka = config["client"].kafka
        self._read = broker.stable if config["isolation"] == "read_committed" else broker.unstable

    def committed(self, shards: Sequence[int], _timeout: float) -> list[TopicPartition]:
        found = self._read(shards)
        if found is None:
            raise KafkaException(SILENT)
        return found

    def close(self) -> None:
        """There is no connection."""


class ImmediateCaller:
    """Makes a call at once; whoever asked takes the answer later, as ever."""

    def __init__(self, _name: str) -> None:
        pass

    def submit(
        self, call: Callable[Given, Answer], *given: Given.args, **named: Given.kwargs
    ) -> Future[Answer]:
        future: Future[Answer] = Future()
        try:
            future.set_result(call(*given, **named))
        except Exception as error:  # noqa: BLE001  it is raised where the answer is taken
            future.set_exception(error)
        return future

    def close(self) -> None:
        """There is no thread."""


def open_producer(config: dict[str, Any], _seconds: float = 0.0) -> SimulatedProducer:
    """`brokers.open_producer`."""
    client, name = config["client"], config["transactional.id"]
    try:
        epoch = client.kafka.begin(name)
    except NoAnswerError as error:
        raise brokers.UndecidedError(SILENT) from error
    return SimulatedProducer(client, name, epoch)


def producer_config(client: Client, name: str) -> dict[str, Any]:
    """`kafka.producer_config`."""
    return {"client": client, "transactional.id": name}


def reader_config(client: Client, *, group: str, isolation: str) -> dict[str, Any]:
    """`kafka.reader_config`."""
    return {"client": client, "group": group, "isolation": isolation}


@contextmanager
def simulated_clients() -> Iterator[None]:
    """The product's clients ask the simulated Kafka inside this block."""
    with (
        mock.patch.object(brokers, "open_producer", open_producer),
        mock.patch.object(brokers, "producer_config", producer_config),
        mock.patch.object(takeover, "reader_config", reader_config),
        mock.patch.object(takeover, "make_admin", lambda client: client.kafka),
        mock.patch.object(takeover, "members_of", lambda broker, _group: broker.members),
        mock.patch.object(takeover, "held_shards", lambda broker, _group, some: broker.held(some)),
        mock.patch.object(takeover, "PositionReader", SimulatedPositions),
        mock.patch.object(position_lookup, "AbandonableThread", ImmediateCaller),
        mock.patch.object(position_lookup, "Backoff", partial(Backoff, 0.0, 0.0)),
    ):
        yield
