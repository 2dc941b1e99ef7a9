"""Whatever the tests of the domain publish is held to the contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from outbox_worker.postgres import database as connections
from outbox_worker.stores import event
from tests.domain.schemas import violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from outbox_worker.stores import Connection
    from outbox_worker.stores.event import Draft


@pytest.fixture
def undone(migrated_database_url: str) -> Iterator[Connection]:
    """A connection to the module's database, in a transaction that is rolled back."""
    with (
        connections.connect(migrated_database_url, application="tests") as link,
        link.transaction(force_rollback=True),
    ):
        yield link


@pytest.fixture(scope="package", autouse=True)
def _every_event_is_as_its_contract_says() -> Iterator[None]:
    """Look at each event on its way to the table; a subscriber's reader would do the same."""
    insert_one, insert_many = event.insert_event, event.insert_events

    def one(connection: Any, draft: Draft) -> None:  # noqa: ANN401  any connection
        check([draft])
        insert_one(connection, draft)

    def many(connection: Any, drafts: Sequence[Draft]) -> int:  # noqa: ANN401  any connection
        check(drafts)
        return insert_many(connection, drafts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event, "insert_event", one)
        patch.setattr(event, "insert_events", many)
        yield


def check(drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        assert draft.payload is None or violations(draft.type, draft.payload) == []
