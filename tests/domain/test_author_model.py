"""Random histories of who wrote what: each answer, row and event is that of the model."""

from __future__ import annotations

import secrets
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.overdue import Decided, decide_overdue
from outbox_school.results import ConfirmationResult, SuggestionResult
from outbox_worker.application import Refused
from outbox_worker.postgres import database as connections
from tests.domain import authors
from tests.domain.author_model import MIN_SCORE, BatchModel, Confirmed
from tests.domain.authors import CONFIRMED, DAY, NOON, READY, TEACHER

if TYPE_CHECKING:
    from outbox_worker.application import Connection

SIZES: Final = (1, 2, 4)
STUDENTS: Final = 3
TAKE: Final = """
UPDATE school.slot SET status = %(status)s, file_upload_id = 'upload-' || essay_id,
    text_storage_id = CASE WHEN %(status)s = 'assigned' THEN 'text-' || essay_id END
WHERE batch_id = %(batch)s AND position = %(position)s"""

batches: Final = st.sampled_from(range(len(SIZES)))
essays: Final = st.integers(0, max(SIZES))
students: Final = st.integers(0, STUDENTS - 1)
scores: Final = st.sampled_from([0.0, 0.3, 0.6999, 0.7, 0.9, 1.0])
offers: Final = st.lists(st.tuples(students, scores), max_size=3)


class Authors(RuleBasedStateMachine):
    """One class, three batches, a clock; every rule does the same to both sides."""

    connection: Connection

    def __init__(self) -> None:
        super().__init__()
        # The overdue job takes whatever there is: nothing of the history before.
        self.connection.execute("DELETE FROM school.association")
        self.now = NOON
        self.room = authors.make_room(self.connection, STUDENTS)
        self.enrolled = set(range(STUDENTS))
        self.models = [BatchModel(size) for size in SIZES]
        self.batches = [
            authors.make_batch(self.connection, self.room, ["free"] * size, provisioned=False)
            for size in SIZES
        ]

    def essay(self, batch: int, essay: int) -> UUID:
        """The id of an essay; of a number beyond the last slot one that no batch has."""
        ids = self.batches[batch].textless
        return ids[essay] if essay < len(ids) else UUID(int=essay)

    @rule(minutes=st.sampled_from([1, 11 * 60, 12 * 60, 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(batch=batches, failed=st.booleans())
    def fill_a_slot(self, batch: int, failed: bool) -> None:
        model, real = self.models[batch], self.batches[batch]
        if model.is_full():
            return
        slot = {"batch": real.batch_id, "position": model.taken + 1}
        status = "failed" if failed else "assigned"
        self.connection.execute(TAKE, {**slot, "status": status})
        model.take(failed=failed, now=self.now)
        if model.is_full():
            assert authors.provision(self.connection, real, self.now) == bool(model.completed_at)

    @rule(batch=batches, matches=st.dictionaries(essays, offers, min_size=1, max_size=4))
    def suggest(self, batch: int, matches: dict[int, list[tuple[int, float]]]) -> None:
        given = [
            authors.found(
                self.essay(batch, essay), *((self.room.students[n], score) for n, score in offered)
            )
            for essay, offered in matches.items()
        ]
        result = authors.suggest(self.connection, self.batches[batch], *given, now=self.now)
        created, known, faults = self.models[batch].suggest(matches, self.enrolled, self.now)
        assert isinstance(result, SuggestionResult)
        assert (result.created, result.known) == (created, known)
        named = {fault.essay_id for fault in result.faults}
        assert named == {self.essay(batch, essay) for essay in faults}

    @rule(
        batch=batches,
        said=st.dictionaries(essays, st.none() | students, min_size=1, max_size=4),
    )
    def confirm(self, batch: int, said: dict[int, int | None]) -> None:
        self._confirm(batch, said)

    @rule(batch=batches, author=st.none() | students, data=st.data())
    def confirm_an_essay_that_is_there(
        self, batch: int, author: int | None, data: st.DataObject
    ) -> None:
        if there := self.models[batch].assigned:
            self._confirm(batch, {data.draw(st.sampled_from(there)): author})

    def _confirm(self, batch: int, said: dict[int, int | None]) -> None:
        answers = {
            self.essay(batch, essay): None if author is None else self.room.students[author]
            for essay, author in said.items()
        }
        batch_id = self.batches[batch].batch_id
        result = authors.confirm(self.connection, batch_id, answers, now=self.now)
        expected = self.models[batch].confirm(said, self.enrolled, self.now)
        if isinstance(expected, Confirmed):
            assert result == ConfirmationResult(
                batch_id=batch_id, decided=expected.decided, completed=expected.completed
            )
            return
        assert isinstance(result, Refused)
        is_student = expected.code == "STUDENT_NOT_IN_CLASS"
        about = sorted(
            str(self.room.students[number] if is_student else self.essay(batch, number))
            for number in expected.about
        )
        assert (result.code, *result.details.values()) == (expected.code, about)

    @rule(student=students)
    def change_enrolment(self, student: int) -> None:
        field = "remove_class_ids" if student in self.enrolled else "add_class_ids"
        given = {"actor": TEACHER, "student_id": self.room.students[student]}
        given[field] = [self.room.class_id]
        authors.succeeds(handle(self.connection, commands.UpdateStudent.model_validate(given)))
        self.enrolled ^= {student}

    @rule(rows=st.sampled_from([1, 2, 100]))
    def decide_overdue(self, rows: int) -> None:
        total = Decided(0, 0, 0)
        while decided := decide_overdue(
            self.connection, timeout=DAY, min_score=MIN_SCORE, now=self.now, rows=rows
        ):
            total += decided
        open_before = sum(model.completed_at is None for model in self.models)
        settled = [
            each for model in self.models for each in model.decide_overdue(self.enrolled, self.now)
        ]
        open_now = sum(model.completed_at is None for model in self.models)
        confirmed = sum(each.student is not None for each in settled)
        assert total == Decided(confirmed, len(settled) - confirmed, open_before - open_now)

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        for number, model in enumerate(self.models):
            batch_id = self.batches[number].batch_id
            assert authors.rows(self.connection, batch_id) == {
                self.essay(number, essay): self._row(model, essay)
                for essay in model.suggested.keys() | model.decided.keys()
            }
            assert authors.completed_at(self.connection, batch_id) == model.completed_at

    def _row(self, model: BatchModel, essay: int) -> tuple[Any, ...]:
        settled = model.decided.get(essay)
        if settled is None:
            matched = model.suggested[essay].student is not None
            return ("suggested" if matched else "no_match", None, None, None, None, None)
        by = (settled.method, TEACHER if settled.method == "human" else "timeout", settled.at)
        if settled.student is None:
            return ("no_student", None, None, *by)
        student = self.room.students[settled.student]
        return ("confirmed", student, f"Ada {settled.student}", *by)

    @invariant()
    def events_are_those_of_the_model(self) -> None:
        for number, model in enumerate(self.models):
            events = authors.events_of_batch(self.connection, self.batches[number].batch_id)
            if model.completed_at is None:
                assert events == []
                continue
            assert [kind for kind, _ in events] == [CONFIRMED, READY]
            methods = [model.decided[essay].method for essay in model.assigned]
            (_, confirmed), (_, ready) = events
            assert confirmed["timeout_triggered"] == ("timeout" in methods)
            assert [each["method"] for each in confirmed["associations"]] == methods
            assert [each["essay_id"] for each in ready["ready_essays"]] == [
                str(self.essay(number, essay)) for essay in model.assigned
            ]


@pytest.mark.slow
def test_every_history_goes_as_the_model_says(migrated_database_url: str) -> None:
    seed = secrets.randbits(32)
    sys.stdout.write(f"seed {seed}\n")
    with connections.connect(migrated_database_url, application="tests") as link:

        class OnOurDatabase(Authors):
            connection = link

        run_state_machine_as_test(
            hypothesis.seed(seed)(OnOurDatabase),
            settings=hypothesis.settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
