"""Brokers of a test's own, which may be stopped, killed and cut off."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from outbox_worker.errors import ServerError
from outbox_worker.local import jars
from outbox_worker.local.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_java() -> None:
    """Without Java and Maven the test fails in one sentence."""
    try:
        jars.need_java()
    except ServerError as error:
        pytest.fail(str(error), pytrace=False)


@contextmanager
def own_broker(**given: Any) -> Iterator[KafkaServer]:  # noqa: ANN401  what KafkaServer takes
    """A broker for as long as the block lasts; without Java the test fails in one sentence."""
    require_java()
    with KafkaServer(**given) as server:
        yield server
