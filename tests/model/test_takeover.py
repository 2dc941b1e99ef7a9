"""What a worker that died under either of its ids left open is aborted at once by its successor."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import pytest

from outbox_worker.position.position import Position
from outbox_worker.published.committed import CommittedPosition, as_offset
from outbox_worker.relay.ids import pair_of
from outbox_worker.relay.sources import Sources
from outbox_worker.relay.takeover import Takeover
from outbox_worker.relay.transaction import Transactions
from tests.model.actors import METRICS
from tests.model.clients import Client, producer_config, simulated_clients
from tests.model.kafka import Kafka

if TYPE_CHECKING:
    from outbox_worker.settings import Settings

DEAD, HEIR = "dead", "heir"
CLAIMED = CommittedPosition(1, Position(b"home", DEAD))
MOVED = CommittedPosition(2, Position(b"home", DEAD))


@pytest.mark.parametrize("name", pair_of(DEAD))
def test_an_open_transaction_is_not_waited_for(name: str) -> None:
    kafka = Kafka(random.Random(1), {"event": ("event",)}, hangs=0.0)
    kafka.owners[0] = DEAD
    epochs = {each: kafka.begin(each) for each in pair_of(DEAD)}
    kafka.hold(DEAD, epochs[DEAD], DEAD, [as_offset(0, CLAIMED)])
    kafka.end(DEAD, epochs[DEAD], commit=True)
    kafka.write(name, epochs[name], "event")
    kafka.hold(name, epochs[name], DEAD, [as_offset(0, MOVED)])
    client = Client(kafka, random.Random(1), trouble=0.0)
    with simulated_clients():
        transactions = Transactions(producer_config(client, HEIR), Sources("source"), "publish")
        found = Takeover(cast("Settings", client), transactions, METRICS).lookup([0])
    assert found == {0: CLAIMED}
    assert kafka.log == []
