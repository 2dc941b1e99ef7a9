"""What no teacher decided in time, on a clock that the test sets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest

from outbox_school import commands
from outbox_school.handle import handle
from outbox_school.overdue import JOB, ROWS, Decided, decide_overdue
from outbox_school.results import ConfirmationResult, ErrorCode
from outbox_school.settings import SchoolSettings
from outbox_school.stores import association
from outbox_school.stores.association import Claimed, Signature
from outbox_worker.application.loading import load_settings
from outbox_worker.errors import SettingsError
from outbox_worker.maintenance.jobs import JobLoop
from tests.domain.authors import (
    CONFIRMED,
    DAY,
    NOON,
    READY,
    TEACHER,
    completed_at,
    completions,
    confirm,
    events_of_batch,
    found,
    make_batch,
    make_room,
    provision,
    refused,
    rows,
    succeeds,
    suggest,
)

if TYPE_CHECKING:
    from uuid import UUID

    from outbox_worker.application import Connection
    from tests.domain.authors import Batch

DUE: Final = NOON + DAY
"""The first moment at which what was suggested at noon is overdue."""

TICK: Final = timedelta(microseconds=1)


def decide(connection: Connection, now: datetime = DUE, rows: int = 200) -> Decided | None:
    return decide_overdue(connection, timeout=DAY, min_score=0.7, now=now, rows=rows)


def suggested_batch(connection: Connection, *scores: float, provisioned: bool = True) -> Batch:
    """A batch of which the first student is suggested for every essay, at noon."""
    batch = make_batch(
        connection,
        make_room(connection),
        ["assigned"] * len(scores),
        provisioned=provisioned,
    )
    ada = batch.room.students[0]
    matches = [
        found(essay, (ada, score)) for essay, score in zip(batch.essays, scores, strict=True)
    ]
    succeeds(suggest(connection, batch, *matches))
    return batch


@pytest.mark.parametrize(
    ("now", "is_due"),
    [(DUE - TICK, False), (DUE, True), (DUE + TICK, True), (DUE + 30 * DAY, True)],
    ids=["just before", "at the boundary", "just after", "much later"],
)
def test_a_suggestion_is_overdue_once_the_time_is_over(
    connection: Connection, now: datetime, is_due: bool
) -> None:
    batch = suggested_batch(connection, 0.9)
    assert decide(connection, now) == (Decided(1, 0, 1) if is_due else None)
    assert completed_at(connection, batch.batch_id) == (now if is_due else None)
    assert len(events_of_batch(connection, batch.batch_id)) == (2 if is_due else 0)
    assert decide(connection, now) is None


@pytest.mark.parametrize(
    ("score", "is_enough"), [(0.0, False), (0.6999999999, False), (0.7, True), (1.0, True)]
)
def test_a_score_is_enough_from_the_boundary_on(
    connection: Connection, score: float, is_enough: bool
) -> None:
    batch = suggested_batch(connection, score)
    assert decide(connection) == (Decided(1, 0, 1) if is_enough else Decided(0, 1, 1))
    ada = batch.room.students[0]
    author = ("confirmed", ada, "Ada 0") if is_enough else ("no_student", None, None)
    row = (*author, "timeout", "timeout", DUE)
    assert rows(connection, batch.batch_id) == {batch.essays[0]: row}


def test_an_essay_without_a_match_is_decided_without_a_student(connection: Connection) -> None:
    batch = make_batch(connection, make_room(connection), ["assigned"])
    succeeds(suggest(connection, batch, found(batch.essays[0], no_match_reason="no name")))
    assert decide(connection) == Decided(0, 1, 1)
    (row,) = rows(connection, batch.batch_id).values()
    assert row == ("no_student", None, None, "timeout", "timeout", DUE)


@pytest.mark.parametrize("way", ["deleted", "left", "moved"])
def test_a_student_who_is_gone_is_not_confirmed(connection: Connection, way: str) -> None:
    batch = suggested_batch(connection, 1.0)
    ada, room = batch.room.students[0], batch.room
    left = commands.UpdateStudent(
        actor=TEACHER,
        student_id=ada,
        remove_class_ids=[room.class_id],
        add_class_ids=[make_room(connection).class_id] if way == "moved" else [],
    )
    deleted = commands.DeleteStudent(actor=TEACHER, student_id=ada)
    succeeds(handle(connection, deleted if way == "deleted" else left))
    assert decide(connection) == Decided(0, 1, 1)
    (row,) = rows(connection, batch.batch_id).values()
    assert row == ("no_student", None, None, "timeout", "timeout", DUE)


def test_subscribers_are_told_that_the_time_was_over(connection: Connection) -> None:
    batch = suggested_batch(connection, 0.9, 0.2, 0.8)
    first, second, third = batch.essays
    ada, bob, _ = batch.room.students
    succeeds(confirm(connection, batch.batch_id, {third: bob}))
    assert decide(connection) == Decided(1, 1, 1)
    (kind, confirmed), (last, ready) = events_of_batch(connection, batch.batch_id)
    assert (kind, last) == (CONFIRMED, READY)
    assert confirmed["correlation_id"] == ready["correlation_id"] == str(batch.correlation_id)
    assert confirmed["occurred_at"] == ready["occurred_at"] == "2030-05-18T12:00:00Z"
    assert confirmed["timeout_triggered"] is True
    assert confirmed["summary"] == {
        "confirmed": 2,
        "no_student": 1,
        "by_method": {"human": 1, "timeout": 2},
    }
    said = [tuple(each.values()) for each in confirmed["associations"]]
    noon, due = "2030-05-17T12:00:00Z", "2030-05-18T12:00:00Z"
    assert said == [
        (str(first), str(ada), "Ada 0", 0.9, "timeout", "timeout", due),
        (str(second), None, None, None, "timeout", "timeout", due),
        (str(third), str(bob), "Ada 1", None, "human", TEACHER, noon),
    ]
    students = [each["student_id"] for each in ready["ready_essays"]]
    assert students == [str(ada), None, str(bob)]
    assert completions(connection, batch.batch_id) == [("REGULAR", -1, 1)]


def test_what_a_person_decided_stays(connection: Connection) -> None:
    batch = suggested_batch(connection, 0.9, 0.9)
    first, _ = batch.essays
    succeeds(confirm(connection, batch.batch_id, {first: None}))
    before = rows(connection, batch.batch_id)[first]
    assert decide(connection) == Decided(1, 0, 1)
    assert rows(connection, batch.batch_id)[first] == before


def test_what_a_person_decided_just_before_the_batch_was_locked_stays(
    connection: Connection,
) -> None:
    batch = suggested_batch(connection, 0.9, 0.9)
    first, second = batch.essays
    succeeds(confirm(connection, batch.batch_id, {first: None}))
    before = rows(connection, batch.batch_id)[first]
    # As if the claim had seen the essays before that, and waited for nobody.
    class_id = batch.room.class_id
    claimed = [Claimed(batch.batch_id, essay, class_id, uuid4()) for essay in batch.essays]
    decided = association.decide_overdue(connection, claimed, 0.7, Signature("timeout", DUE))
    assert decided == [(batch.batch_id, batch.room.students[0])]
    assert rows(connection, batch.batch_id)[first] == before
    assert rows(connection, batch.batch_id)[second][3] == "timeout"


def test_a_person_who_comes_too_late_may_only_agree(connection: Connection) -> None:
    batch = suggested_batch(connection, 0.9)
    ada, bob, _ = batch.room.students
    (essay,) = batch.essays
    decide(connection)
    events = events_of_batch(connection, batch.batch_id)
    agreed = confirm(connection, batch.batch_id, {essay: ada}, now=DUE)
    assert agreed == ConfirmationResult(batch_id=batch.batch_id, decided=0, completed=True)
    others: tuple[UUID | None, ...] = (bob, None)
    for other in others:
        late = confirm(connection, batch.batch_id, {essay: other}, now=DUE)
        refused(late, ErrorCode.ALREADY_CONFIRMED, essay_ids=[str(essay)])
    assert events_of_batch(connection, batch.batch_id) == events


def test_a_person_has_the_last_word_until_the_batch_is_told_of(connection: Connection) -> None:
    batch = suggested_batch(connection, 0.9, 0.9, provisioned=False)
    ada, bob, _ = batch.room.students
    first, second = batch.essays
    assert decide(connection) == Decided(2, 0, 0)
    changed = confirm(connection, batch.batch_id, {first: bob, second: ada}, now=DUE)
    assert changed == ConfirmationResult(batch_id=batch.batch_id, decided=2, completed=False)
    again = confirm(connection, batch.batch_id, {first: None}, now=DUE)
    refused(again, ErrorCode.ALREADY_CONFIRMED, essay_ids=[str(first)])
    assert decide(connection) is None
    assert provision(connection, batch, DUE + DAY)
    (_, confirmed), _ = events_of_batch(connection, batch.batch_id)
    authors = [(each["student_id"], each["method"]) for each in confirmed["associations"]]
    assert authors == [(str(bob), "human"), (str(ada), "human")]
    assert confirmed["timeout_triggered"] is False


def test_an_essay_that_was_suggested_later_has_its_own_time(connection: Connection) -> None:
    batch = make_batch(connection, make_room(connection))
    ada = batch.room.students[0]
    later = NOON + timedelta(hours=5)
    for essay, now in zip(batch.essays, (NOON, later), strict=True):
        succeeds(suggest(connection, batch, found(essay, (ada, 0.9)), now=now))
    assert decide(connection) == Decided(1, 0, 0)
    assert decide(connection) is None
    assert events_of_batch(connection, batch.batch_id) == []
    assert decide(connection, later + DAY) == Decided(1, 0, 1)
    assert len(events_of_batch(connection, batch.batch_id)) == 2


def test_content_that_comes_after_the_decision_completes_the_batch(
    connection: Connection,
) -> None:
    batch = suggested_batch(connection, 0.9, provisioned=False)
    assert decide(connection) == Decided(1, 0, 0)
    assert provision(connection, batch, DUE + DAY)
    (_, confirmed), _ = events_of_batch(connection, batch.batch_id)
    assert confirmed["timeout_triggered"] is True


def test_a_round_is_bounded_and_the_oldest_come_first(connection: Connection) -> None:
    young = make_batch(connection, make_room(connection), ["assigned"] * 2)
    ada = young.room.students[0]
    for essay in young.essays:
        suggest(connection, young, found(essay, (ada, 0.9)), now=NOON + TICK)
    old = suggested_batch(connection, *[0.9] * 5)
    assert decide(connection, DUE + DAY, rows=3) == Decided(3, 0, 0)
    assert events_of_batch(connection, old.batch_id) == []
    assert decide(connection, DUE + DAY, rows=3) == Decided(3, 0, 1)
    assert len(events_of_batch(connection, old.batch_id)) == 2
    assert decide(connection, DUE + DAY, rows=3) == Decided(1, 0, 1)
    assert decide(connection, DUE + DAY, rows=3) is None
    assert len(events_of_batch(connection, young.batch_id)) == 2


def test_the_topic_has_the_prefix_of_the_setting(connection: Connection) -> None:
    key = str(suggested_batch(connection, 0.9).batch_id)
    decide_overdue(connection, timeout=DAY, min_score=0.7, now=DUE, topic_prefix="other.", rows=9)
    topics = connection.execute("SELECT topic FROM outbox.event WHERE key = %s", (key,))
    assert {row[0] for row in topics} == {f"other.{CONFIRMED}", f"other.{READY}"}


def test_the_worker_decides_all_that_is_overdue_by_its_settings(
    connection: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTBOX_ASSOCIATION_TIMEOUT_HOURS", "2")
    monkeypatch.setenv("OUTBOX_ASSOCIATION_MIN_SCORE", "0.5")
    batch = suggested_batch(connection, *[0.5] * (ROWS + 1))
    clock = iter([NOON + timedelta(hours=2) - TICK] + [NOON + timedelta(hours=2)] * 99)
    overdue = JobLoop(JOB, database, "huleedu.", SchoolSettings(), lambda: next(clock))
    assert overdue.run_once() > 0
    assert events_of_batch(connection, batch.batch_id) == []
    while overdue.run_once() == 0:
        pass
    (_, confirmed), _ = events_of_batch(connection, batch.batch_id)
    assert confirmed["summary"]["confirmed"] == ROWS + 1
    overdue.close()


def test_a_worker_waits_for_a_database_that_is_away() -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert JobLoop(JOB, away, "", SchoolSettings()).run_once() > 0


def test_a_wrong_setting_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOX_ASSOCIATION_MIN_SCORE", "2")
    with pytest.raises(SettingsError, match="OUTBOX_ASSOCIATION_MIN_SCORE"):
        load_settings(SchoolSettings)
