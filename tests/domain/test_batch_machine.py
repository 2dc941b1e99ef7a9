"""Random commands about batches from several connections against the model.

Commands come one by one, several in one transaction that commits or rolls back, and
several at once; those must have happened as if in one order, whichever.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from typing_extensions import override

import outbox_school
from tests.domain.cases import CORRELATION
from tests.domain.facts import ANNA, BO, events, number
from tests.domain.upload_model import Desk, name_of
from tests.domain.upload_rules import judge
from tests.domain.uploads import broken, essay, registration, text, uploads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from outbox_school.results import Result
    from tests.domain.facts import Connection
    from tests.domain.upload_model import Event, UploadCommand

LINKS: Final = 3
EXAMPLES: Final = 40
STEPS: Final = 25
BATCHES: Final = (number(1), number(2))

ids = st.sampled_from(BATCHES)
names = st.integers(1, 6)
texts = st.builds(text, names, ids)
failures = st.builds(broken, names, ids, st.sampled_from(["EMPTY_CONTENT", "CONTENT_TOO_SHORT"]))
plain = st.builds(registration, st.integers(1, 4), ids)
odd = st.builds(
    registration,
    st.just(2),
    ids,
    user_id=st.sampled_from([ANNA, BO]),
    course_code=st.sampled_from(["SV1", "SV2", "SV4"]),
    class_id=st.none() | st.just(number(50)),
    essay_ids=st.permutations([essay(1), essay(2)]),
)
READ_WAITING: Final = (
    "SELECT batch_id, 'text', text_storage_id, arrival FROM school.content "
    "WHERE status = 'pending' UNION ALL SELECT batch_id, 'file', file_upload_id, arrival "
    "FROM school.failure WHERE status = 'pending' ORDER BY arrival"
)
COMMANDS: Final = texts | texts | texts | failures | plain | odd


def run(link: Connection, command: UploadCommand) -> Result:
    return outbox_school.handle(link, command)


def told(link: Connection) -> list[Event]:
    """The events so far, in order."""
    found: list[Event] = []
    for event in events(link):
        payload: dict[str, Any] = event.payload
        assert payload.pop("occurred_at").endswith("Z")
        assert event.headers == {"correlation-id": payload["correlation_id"]}
        found.append((event.type, event.key, payload))
    return found


class Rows:
    """What the tables hold, and what the model says that they should."""

    def __init__(self, link: Connection) -> None:
        found = uploads(link)
        self.batches = {row[0]: (row[1], row[-1] is not None) for row in found.batches}
        self.slots = {
            (batch_id, essay_id): (status, text_id or upload)
            for batch_id, _, essay_id, status, text_id, upload, _ in found.slots
        }
        self.content = {(row[0], row[1]): row[2:] for row in found.content}
        self.failures = {(row[0], row[1]): row[2:] for row in found.failures}
        self.waiting: dict[UUID, list[tuple[str, str]]] = {}
        for batch_id, kind, name, _ in link.execute(READ_WAITING):
            self.waiting.setdefault(batch_id, []).append((kind, name))

    def agree_with(self, desks: Mapping[UUID, Desk]) -> bool:
        return (self.batches, self.slots, self.content, self.failures, self.waiting) == (
            {
                each.batch_id: (each.registration.user_id, each.is_full)
                for each in desks.values()
                if each.registration
            },
            {
                (each.batch_id, essay_id): (
                    (each.status_of(each.taken[n])[0], each.taken[n].id)
                    if n < len(each.taken)
                    else ("free", None)
                )
                for each in desks.values()
                for n, essay_id in enumerate(each.essays)
            },
            kept(desks, "text"),
            kept(desks, "file"),
            {
                each.batch_id: list(each.known)
                for each in desks.values()
                if each.known and each.registration is None
            },
        )


def kept(desks: Mapping[UUID, Desk], kind: str) -> dict[tuple[UUID, str], tuple[Any, ...]]:
    return {
        (each.batch_id, name.id): each.status_of(name)
        for each in desks.values()
        for name in map(name_of, each.known.values())
        if name.kind == kind
    }


class Batches(RuleBasedStateMachine):
    """A database beside its model. `links` are given from outside."""

    links: Sequence[Connection] = ()

    def __init__(self) -> None:
        super().__init__()
        self.desks = {batch_id: Desk(batch_id) for batch_id in BATCHES}
        self.told: list[Event] = []
        self.links[0].execute(
            "TRUNCATE school.batch, school.content, school.failure, school.batch_tally, "
            "outbox.event CASCADE"
        )

    @rule(command=COMMANDS, link=st.integers(0, LINKS - 1))
    def one(self, command: UploadCommand, link: int) -> None:
        """A transaction of its own."""
        expected = self.desks[command.batch_id].play(command)
        assert run(self.links[link], command) == expected.result
        self.agree(expected.events)

    @rule(commands=st.lists(COMMANDS, min_size=2, max_size=6), commit=st.booleans())
    def transaction(self, commands: list[UploadCommand], commit: bool) -> None:
        """Several in the caller's transaction, which goes on after a refusal."""
        desks = copied(self.desks)
        expected = [desks[command.batch_id].play(command) for command in commands]
        with self.links[0].transaction(force_rollback=not commit):
            found = [run(self.links[0], command) for command in commands]
        assert found == [each.result for each in expected]
        if commit:
            self.desks = desks
        self.agree([event for each in expected for event in each.events] if commit else [])

    @rule(commands=st.tuples(*[COMMANDS] * LINKS))
    def at_once(self, commands: Sequence[UploadCommand]) -> None:
        """Each on a connection of its own: as if one after the other, in some order.

        Who took a slot first may tell it last; that completion comes after all is judged
        in the end.
        """
        with ThreadPoolExecutor(LINKS) as pool:
            found = list(pool.map(run, self.links, commands))
        rows, new = Rows(self.links[0]), told(self.links[0])[len(self.told) :]
        for order in permutations(range(len(commands))):
            desks = copied(self.desks)
            expected = {
                place: desks[commands[place].batch_id].play(commands[place]) for place in order
            }
            tells = [event for each in expected.values() for event in each.events]
            if (
                [expected[place].result for place in range(len(commands))] == found
                and rows.agree_with(desks)
                and in_any_order(tells) == in_any_order(new)
            ):
                self.desks = desks
                self.told += new
                return
        raise AssertionError(f"no order explains {found}, {new}")

    def agree(self, new: list[Event]) -> None:
        """All events, in order, and all rows."""
        self.told += new
        assert told(self.links[0]) == self.told
        assert Rows(self.links[0]).agree_with(self.desks)

    @override
    def teardown(self) -> None:
        """The rules that hold whatever happened, and what a reader sees in the end."""
        judge(self.links[0])
        for desk in self.desks.values():
            owner = desk.registration.user_id if desk.registration else ANNA
            view = outbox_school.reads.get_batch(self.links[0], owner, desk.batch_id)
            assert (view is not None) == (desk.registration is not None)
            if view is not None:
                assert view.assigned_count == sum(each.kind == "text" for each in desk.taken)
                assert view.failed_count == sum(each.kind == "file" for each in desk.taken)
                assert view.correlation_id == CORRELATION


def copied(desks: Mapping[UUID, Desk]) -> dict[UUID, Desk]:
    return {batch_id: desk.copy() for batch_id, desk in desks.items()}


def in_any_order(found: Iterable[Event]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in found)


@pytest.mark.slow
def test_random_commands_about_batches_do_what_the_model_does(database: str) -> None:
    options = "-c deadlock_timeout=50ms -c synchronous_commit=off"
    links = [psycopg.connect(database, autocommit=True, options=options) for _ in range(LINKS)]
    machine = cast("type[Batches]", type("Machine", (Batches,), {"links": links}))
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                # What fails only now and then does not get smaller by trying again.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        for link in links:
            link.close()
