"""The story without an application: a service publishes events, a worker dies on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outbox_worker.application.demo import Demo, EventTable, Pick, Story
from outbox_worker.postgres import writer

if TYPE_CHECKING:
    from outbox_worker.application.demo import Stage

TYPE: Final = "order.placed.v1"
ORDERS: Final = 200
CUSTOMERS: Final = 20
SHOWN: Final = 5


def _play(stage: Stage) -> Story:
    stage.chapter("Orders and their events")
    stage.say("A worker: `outbox-worker run` publishes events")
    worker = stage.start_worker()
    stage.say(
        f"A shop's service takes {ORDERS} orders of {CUSTOMERS} customers. Each transaction "
        "publishes its event by SQL: SELECT outbox.publish(...); every tenth rolls back"
    )
    half, rolled_back = ORDERS // 2, 0
    rolled_back += _take_orders(stage, range(half))
    if stage.can_kill:
        stage.say(f"Worker {worker} is killed (SIGKILL); the service takes orders as before")
        stage.kill_worker()
    rolled_back += _take_orders(stage, range(half, ORDERS))
    if stage.can_kill:
        stage.say(
            "Another worker takes over when Kafka misses the dead one (6 s), from the position in "
            "the last Kafka transaction"
        )
        stage.start_worker()
    return Story(
        commands={},
        events=ORDERS - rolled_back,
        tables=[EventTable(f"The first {SHOWN} events", [Pick([TYPE], SHOWN)])],
    )


def _take_orders(stage: Stage, numbers: range) -> int:
    """Place them, each in a transaction; how many of these rolled back."""
    rolled_back = 0
    for number in numbers:
        is_rolled_back = number % 10 == 0
        rolled_back += is_rolled_back
        with stage.link.transaction(force_rollback=is_rolled_back):
            writer.publish(
                stage.link,
                topic=stage.topic(TYPE),
                key=f"customer-{number % CUSTOMERS}",
                type=TYPE,
                payload={"order": number, "amount": 10 + number % 7},
            )
    return rolled_back


DEMO: Final = Demo({TYPE: ("order", "amount")}, _play)
