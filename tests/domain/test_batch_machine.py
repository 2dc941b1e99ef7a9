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
from tests.domain.rule_cases import CORRELATION
from tests.domain.school_rows import ANNA, BO, events, number
from tests.domain.upload_model import UploadModel, name_of
from tests.domain.upload_rules import assert_batch_rules
from tests.domain.uploads import broken, essay, registration, text, uploads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from outbox_school.results import Result
    from tests.domain.school_rows import Connection
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

    def agree_with(self, models: Mapping[UUID, UploadModel]) -> bool:
        return (self.batches, self.slots, self.content, self.failures, self.waiting) == (
            {
                each.batch_id: (each.registration.user_id, each.is_full)
                for each in models.values()
                if each.registration
            },
            {
                (each.batch_id, essay_id): (
                    (each.status_of(each.taken[n])[0], each.taken[n].id)
                    if n < len(each.taken)
                    else ("free", None)
                )
                for each in models.values()
                for n, essay_id in enumerate(each.essays)
            },
            kept(models, "text"),
            kept(models, "file"),
            {
                each.batch_id: list(each.known)
                for each in models.values()
                if each.known and each.registration is None
            },
        )


def kept(models: Mapping[UUID, UploadModel], kind: str) -> dict[tuple[UUID, str], tuple[Any, ...]]:
    return {
        (each.batch_id, name.id): each.status_of(name)
        for each in models.values()
        for name in map(name_of, each.known.values())
        if name.kind == kind
    }


class Batches(RuleBasedStateMachine):
    """A database beside its model. `links` are given from outside."""

    links: Sequence[Connection] = ()

    def __init__(self) -> None:
        super().__init__()
        self.models = {batch_id: UploadModel(batch_id) for batch_id in BATCHES}
        self.events: list[Event] = []
        self.links[0].execute(
            "TRUNCATE school.batch, school.content, school.failure, school.batch_tally, "
            "outbox.event CASCADE"
        )

    @rule(command=COMMANDS, link=st.integers(0, LINKS - 1))
    def one(self, command: UploadCommand, link: int) -> None:
        """A transaction of its own."""
        expected = self.models[command.batch_id].apply(command)
        assert run(self.links[link], command) == expected.result
        self.agree(expected.events)

    @rule(commands=st.lists(COMMANDS, min_size=2, max_size=6), commit=st.booleans())
    def transaction(self, commands: list[UploadCommand], commit: bool) -> None:
        """Several in the caller's transaction, which continues after a refusal."""
        models = copied(self.models)
        expected = [models[command.batch_id].apply(command) for command in commands]
        with self.links[0].transaction(force_rollback=not commit):
            found = [run(self.links[0], command) for command in commands]
        assert found == [each.result for each in expected]
        if commit:
            self.models = models
        self.agree([event for each in expected for event in each.events] if commit else [])

    @rule(commands=st.tuples(*[COMMANDS] * LINKS))
    def at_once(self, commands: Sequence[UploadCommand]) -> None:
        """Each on a connection of its own: as if one after the other, in some order.

        Who took a slot first may tell it last; that completion comes after all is judged
        in the end.
        """
        with ThreadPoolExecutor(LINKS) as pool:
            found = list(pool.map(run, self.links, commands))
        rows, new = Rows(self.links[0]), told(self.links[0])[len(self.events) :]
        for order in permutations(range(len(commands))):
            models = copied(self.models)
            expected = {
                place: models[commands[place].batch_id].apply(commands[place]) for place in order
            }
            tells = [event for each in expected.values() for event in each.events]
            if (
                [expected[place].result for place in range(len(commands))] == found
                and rows.agree_with(models)
                and in_any_order(tells) == in_any_order(new)
            ):
                self.models = models
                self.events += new
                return
        raise AssertionError(f"no order explains {found}, {new}")

    def agree(self, new: list[Event]) -> None:
        """All events, in order, and all rows."""
        self.events += new
        assert told(self.links[0]) == self.events
        assert Rows(self.links[0]).agree_with(self.models)

    @override
    def teardown(self) -> None:
        """The rules that hold whatever happened, and what a reader sees in the end."""
        assert_batch_rules(self.links[0])
        for model in self.models.values():
            owner = model.registration.user_id if model.registration else ANNA
            view = outbox_school.reads.get_batch(self.links[0], owner, model.batch_id)
            assert (view is not None) == (model.registration is not None)
            if view is not None:
                assert view.assigned_count == sum(each.kind == "text" for each in model.taken)
                assert view.failed_count == sum(each.kind == "file" for each in model.taken)
                assert view.correlation_id == CORRELATION


def copied(models: Mapping[UUID, UploadModel]) -> dict[UUID, UploadModel]:
    return {batch_id: model.copy() for batch_id, model in models.items()}


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
