"""Batches from command to subscriber, while workers are killed: each event once, in its order."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
import pytest

from tests.harness.waiting import patient, wait_until

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.delivery import Row

Payload: TypeAlias = dict[str, Any]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]

BATCHES: Final = 200
ESSAYS: Final = 4
KILLS: Final = 5
SEED: Final = 5

COMPLETED: Final = "batch.content.provisioning.completed.v1"
ERRORS: Final = "els.batch.validation.errors.v1"
CONFIRMED: Final = "class.student.associations.confirmed.v1"
READY: Final = "els.batch.essays.ready.v1"
ASSIGNED: Final = "els.essay.slot.assigned.v1"
EXCESS: Final = "els.excess.content.provisioned.v1"
TYPES: Final = (
    *("class.created.v1", "class.student.created.v1", ASSIGNED, EXCESS),
    *(COMPLETED, ERRORS, CONFIRMED, READY, "command.rejected.v1"),
)
STAGES: Final = {ASSIGNED: 0, COMPLETED: 1, ERRORS: 2, CONFIRMED: 3, READY: 4}
"""The order in which a batch continues; excess may come at any time after its last slot."""

CODES: Final = (
    *("EMPTY_CONTENT", "CONTENT_TOO_SHORT", "CONTENT_TOO_LONG", "RAW_STORAGE_FAILED"),
    *("TEXT_EXTRACTION_FAILED", "ENCRYPTED_FILE_UNSUPPORTED", "UNKNOWN_VALIDATION_ERROR"),
)
BROKEN: Final = {"file_upload_id": "broken", "original_file_name": "broken.pdf"}
"""The file that fails."""

SUBMIT: Final = "SELECT outbox.submit(%s, %s, %s::jsonb, %s, %s)"
QUEUED: Final = "SELECT count(*) FROM outbox.command WHERE status = 'queued'"
REJECTED: Final = "SELECT type, error FROM outbox.command WHERE status = 'rejected'"
SLOTS: Final = "SELECT batch_id, essay_id FROM domain.slot WHERE status = 'assigned'"


@dataclass(frozen=True, slots=True)
class Order:
    """One batch: of a class or of a guest, with a file that failed for a reason or without."""

    batch_id: uuid.UUID
    is_regular: bool
    code: str | None
    essays: list[uuid.UUID] = field(default_factory=list)

    @property
    def texts(self) -> int:
        """One more wants a slot than there are: a text, or the file that failed."""
        return ESSAYS if self.code else ESSAYS + 1


class Service:
    """Another team's service: submits commands, each twice under its id, as after a time-out."""

    def __init__(self, link: psycopg.Connection[Any]) -> None:
        self._link = link

    def submit(self, kind: str, key: object, **payload: object) -> None:
        command_id = uuid.uuid4()
        for _ in range(2):
            body = json.dumps(payload, default=str)
            self._link.execute(SUBMIT, (kind, str(key), body, "teacher", command_id))

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        return self._link.execute(question).fetchall()

    @property
    def is_done(self) -> bool:
        return self.ask(QUEUED) == [(0,)]


def fill(service: Service, orders: list[Order], class_id: uuid.UUID) -> None:
    """Registrations and everything that goes into the batches, in a random order."""
    commands: list[tuple[str, object, dict[str, object]]] = []
    for order in orders:
        batch: dict[str, object] = {"batch_id": order.batch_id}
        registration: dict[str, object] = {"user_id": "teacher", "course_code": "ENG5"}
        registration["expected_essay_count"] = ESSAYS
        if order.is_regular:
            registration["class_id"] = class_id
        commands.append(("RegisterBatch", order.batch_id, batch | registration))
        for number in range(order.texts):
            name = f"{order.batch_id}-{number}"
            content: dict[str, object] = {"text_storage_id": name, "file_upload_id": name}
            content |= {"original_file_name": f"{number}.docx", "file_size_bytes": 9}
            commands.append(("ProvisionContent", name, batch | content))
        if order.code:
            failure = batch | BROKEN | {"validation_error_code": order.code}
            commands.append(("RecordValidationFailure", f"{order.batch_id}-x", failure))
    random.Random(SEED).shuffle(commands)
    for kind, key, payload in commands:
        service.submit(kind, key, **payload)


def decide(service: Service, orders: list[Order], class_id: uuid.UUID, pupil: uuid.UUID) -> None:
    """Suggestions and the teacher's decisions for the batches of the class."""
    for order in orders:
        suggestion = {"student_id": pupil, "confidence_score": 0.9, "match_reasons": ["name"]}
        matches = [{"essay_id": each, "suggestions": [suggestion]} for each in order.essays]
        batch = {"batch_id": order.batch_id}
        service.submit(
            "SuggestAssociations", order.batch_id, class_id=class_id, matches=matches, **batch
        )
        decisions = [
            {"essay_id": each, "student_id": pupil, "confirmed": True} for each in order.essays
        ]
        service.submit("ConfirmAssociations", order.batch_id, associations=decisions, **batch)


def await_done_under_kills(cluster: Cluster, service: Service, kills: int) -> None:
    """Workers die one after the other until all commands have their results."""
    for _ in range(kills):
        before = len(cluster.subscriber.received)
        wait_until(
            lambda: service.is_done or len(cluster.subscriber.received) > before + 50,  # noqa: B023  at once
            40,
            "the workers move on",
        )
        cluster.alive[0].kill()
        cluster.worker()
    wait_until(lambda: service.is_done, 60, "every command has its result")


def test_each_event_of_a_batch_is_read_once_and_in_order(cluster: Cluster) -> None:
    topics = {f"{cluster.name}.{kind}": 2 for kind in TYPES}
    cluster.listen_to(topics)
    cluster.settings["topic_prefix"] = f"{cluster.name}."
    cluster.workers(3)
    codes = [None if n % 3 else CODES[n // 3 % len(CODES)] for n in range(BATCHES)]
    orders = [Order(uuid.uuid4(), n % 2 == 0, code) for n, code in enumerate(codes)]
    with psycopg.connect(cluster.url, autocommit=True) as link:
        send_orders(cluster, Service(link), orders)
    # Texts of one batch get their slots side by side; `check` knows the order of the rules.
    rows = cluster.assert_exactly_once(least=BATCHES * ESSAYS, serial=False)
    check(cluster, rows, orders)


def send_orders(cluster: Cluster, service: Service, orders: list[Order]) -> None:
    """A class, then batches that fill up and are decided, while workers die."""
    class_id, pupil = uuid.uuid4(), uuid.uuid4()
    service.submit("CreateClass", "t", name="9A", course_codes=["ENG5"], class_id=class_id)
    person = {"student_id": pupil, "first_name": "Ada", "last_name": "Holm"}
    service.submit("CreateStudent", "t", class_ids=[class_id], **person)
    wait_until(lambda: service.is_done, 30, "class and student are there")
    fill(service, orders, class_id)
    await_done_under_kills(cluster, service, KILLS)
    by_id = {order.batch_id: order for order in orders}
    for batch_id, essay_id in service.ask(SLOTS):
        by_id[batch_id].essays.append(essay_id)
    decide(service, [order for order in orders if order.is_regular], class_id, pupil)
    await_done_under_kills(cluster, service, 2)
    assert service.ask(REJECTED) == []


def check(cluster: Cluster, rows: dict[str, Row], orders: list[Order]) -> None:
    """What the subscriber got of each batch, in the order in which it was written."""
    told: dict[str, list[tuple[int, str, Payload]]] = defaultdict(list)
    for record in tuple(cluster.subscriber.received):
        kind = record.topic.removeprefix(f"{cluster.name}.")
        payload = json.loads(record.value or b"null")
        told[record.key or ""].append((rows[record.event_id].id, kind, payload))
    for order in orders:
        of_batch = sorted(told[str(order.batch_id)], key=itemgetter(0))
        kinds = [kind for _, kind, _ in of_batch]
        payloads: dict[str, list[Payload]] = defaultdict(list)
        for _, kind, payload in of_batch:
            payloads[kind].append(payload)
        # The file that failed may have come too late for a slot.
        failed = kinds.count(ERRORS)
        assert failed <= (order.code is not None)
        check_kinds(order, kinds, failed)
        check_payloads(order, payloads, failed)


def check_kinds(order: Order, kinds: list[str], failed: int) -> None:
    """Each as often as it has to be told, and the stages of the batch one after the other."""
    expected = Counter({ASSIGNED: ESSAYS - failed, EXCESS: order.texts - (ESSAYS - failed)})
    expected += Counter({COMPLETED: 1, ERRORS: failed})
    expected += Counter({CONFIRMED: int(order.is_regular), READY: int(order.is_regular)})
    assert Counter(kinds) == expected, (order, kinds)
    stages = [STAGES[kind] for kind in kinds if kind in STAGES]
    assert stages == sorted(stages), (order, kinds)


def check_payloads(order: Order, told: dict[str, list[Payload]], failed: int) -> None:
    """The completion has the counts, texts and failed file of this batch."""
    (completed,) = told[COMPLETED]
    counts = ("expected_count", "provisioned_count", "failed_count")
    assert [completed[each] for each in counts] == [ESSAYS, ESSAYS - failed, failed], order
    kind = "REGULAR" if order.is_regular else "GUEST"
    about = ("class_type", "course_code", "user_id")
    assert [completed[each] for each in about] == [kind, "ENG5", "teacher"], order
    placed = [places(completed["essays_for_processing"]), places(told[ASSIGNED])]
    assert placed[0] == placed[1], order
    assert len(placed[0]) == ESSAYS - failed, order
    assert all(text.startswith(f"{order.batch_id}-") for _, text in placed[0]), order
    assert len(completed["failed_files"]) == failed, order
    for each in completed["failed_files"]:
        assert each == each | BROKEN | {"validation_error_code": order.code}, order
    for errors in told[ERRORS]:
        assert errors["failed_essays"] == completed["failed_files"], order
        summary = {"total": failed, "by_code": {order.code: failed}, "critical": False}
        assert errors["error_summary"] == summary, order


def places(texts: list[Payload]) -> list[tuple[str, str]]:
    """By essay, which text was put into its slot."""
    return sorted((each["essay_id"], each["text_storage_id"]) for each in texts)
