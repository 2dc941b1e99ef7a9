"""What subscribers hold on to: the committed contracts, and that a version only widens."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outbox_school import events
from outbox_school.school import school
from outbox_worker.application import Event
from outbox_worker.contracts.export import (
    TOPICS,
    NarrowedError,
    as_text,
    broken_promises,
    contracts,
    export,
    read,
)
from tests.domain import schemas
from tests.domain.samples import samples
from tests.domain.schemas import CONTRACTS, asyncapi_validator, violations
from tests.harness.workers import COMMAND, environment
from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENTS: Final = school.all_events
TYPES: Final = [model.TYPE for model in EVENTS]
# What subscribers were promised; a type that is gone breaks them.
PROMISED: Final = {
    "class.created.v1": "class_id",
    "class.updated.v1": "class_id",
    "class.deleted.v1": "class_id",
    "class.student.created.v1": "student_id",
    "class.student.updated.v1": "student_id",
    "class.student.deleted.v1": "student_id",
    "class.student.erased.v1": "student_id",
    "els.essay.slot.assigned.v1": "batch_id",
    "els.excess.content.provisioned.v1": "batch_id",
    "batch.content.provisioning.completed.v1": "batch_id",
    "els.batch.validation.errors.v1": "batch_id",
    "class.student.associations.confirmed.v1": "batch_id",
    "els.batch.essays.ready.v1": "batch_id",
    "command.rejected.v1": "command_key",
}


def test_every_promised_event_is_there_with_its_key() -> None:
    assert {model.TYPE: model.KEY for model in EVENTS} == PROMISED


def test_every_event_is_in_the_list() -> None:
    ours = {each for each in subclasses(Event) if not each.__module__.startswith("tests.")}
    assert set(EVENTS) == ours


def subclasses(model: type[Event]) -> Iterator[type[Event]]:
    for each in model.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.mark.parametrize("model", EVENTS, ids=TYPES)
def test_names_are_snake_case_and_the_key_is_a_field_that_is_always_there(
    model: type[Event],
) -> None:
    assert model.model_fields[model.KEY].is_required()
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in model.model_fields)
    assert re.fullmatch(r"[a-z.]+\.v[1-9][0-9]*", model.TYPE)
    assert {"correlation_id", "occurred_at"} <= model.model_fields.keys()


def test_the_committed_contracts_are_those_of_the_code() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in CONTRACTS.iterdir()}
    made = {name: as_text(schema) for name, schema in contracts(school).items()}
    assert committed == made, "run `make contracts`, and commit what it wrote"


@pytest.mark.parametrize("name", sorted(contracts(school)))
def test_readers_ignore_what_they_do_not_know(name: str) -> None:
    assert '"additionalProperties": false' not in as_text(contracts(school)[name])


@pytest.mark.parametrize("model", EVENTS, ids=TYPES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_event_is_valid_by_its_schema_and_is_read_back(
    model: type[Event], data: st.DataObject
) -> None:
    event = data.draw(samples(model))
    payload = event.model_dump_json(exclude_unset=True).encode()
    assert violations(model.TYPE, payload) == []
    assert violations(model.TYPE, json.dumps({**json.loads(payload), "new": 1}).encode()) == []
    assert model.model_validate_json(payload) == event


@pytest.mark.parametrize("model", EVENTS, ids=TYPES)
def test_a_schema_finds_what_is_missing_or_wrong(model: type[Event]) -> None:
    for name, field in model.model_fields.items():
        if field.is_required():
            sample: dict[str, object] = {each: {} for each in model.model_fields if each != name}
            found = violations(model.TYPE, json.dumps(sample).encode())
            assert any(f"{name!r} is a required property" in each for each in found)
    assert violations(model.TYPE, b"[]")


def test_times_are_told_in_utc() -> None:
    moment = datetime.fromisoformat("2030-05-17T14:00:00+02:00")
    event = events.ClassDeleted.model_validate(
        {
            "class_id": "00000000-0000-0000-0000-000000000001",
            "class_designation": "9B",
            "course_codes": ["SV1"],
            "user_id": "anna",
            "correlation_id": "00000000-0000-0000-0000-000000000002",
            "occurred_at": moment,
        }
    )
    assert json.loads(event.model_dump_json())["occurred_at"] == "2030-05-17T12:00:00Z"


# --- topics --------------------------------------------------------------------


def test_the_topics_are_a_valid_asyncapi_document() -> None:
    document = contracts(school)[TOPICS]
    assert [each.message for each in asyncapi_validator().iter_errors(document)] == []
    spoiled = copy.deepcopy(document)
    spoiled["operations"][f"send {TYPES[0]}"]["action"] = "shout"
    assert list(asyncapi_validator().iter_errors(spoiled))


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("name", sorted(contracts(school)))
def test_every_reference_leads_somewhere(name: str) -> None:
    made = contracts(school)
    for reference in references(made[name]):
        file, _, pointer = reference.partition("#")
        target: Any = made[file.removeprefix("./") or name]
        for step in filter(None, pointer.split("/")):
            target = target[step]
        assert isinstance(target, dict)


@pytest.mark.parametrize("kind", TYPES)
def test_a_subscriber_finds_topic_key_headers_and_payload(kind: str) -> None:
    document = contracts(school)[TOPICS]
    assert document["channels"][kind]["address"] == f"huleedu.{kind}"
    message = document["components"]["messages"][kind]
    assert message["payload"] == {"$ref": f"./{kind}.json"}
    assert PROMISED[kind] in message["bindings"]["kafka"]["key"]["description"]
    assert message["headers"]["allOf"][1]["properties"]["ce_type"] == {"const": kind}


# --- the export ----------------------------------------------------------------


def test_the_export_writes_what_is_missing_and_then_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "contracts"
    assert {path.name for path in export(school, folder)} == set(contracts(school))
    assert export(school, folder) == []
    (folder / f"{TYPES[0]}.json").unlink()
    assert export(school, folder) == [folder / f"{TYPES[0]}.json"]


def promise_more(folder: Path) -> None:
    """Have the committed contract say what the code does not."""
    path = folder / "class.created.v1.json"
    schema = schemas.load(path)
    schema["properties"]["colour"] = {"type": "string"}
    path.write_text(as_text(schema), encoding="utf-8")


def test_the_export_refuses_to_break_a_promise_and_writes_nothing(tmp_path: Path) -> None:
    export(school, tmp_path)
    promise_more(tmp_path)
    (tmp_path / "class.deleted.v1.json").unlink()
    before = read(tmp_path)
    with pytest.raises(NarrowedError) as raised:
        export(school, tmp_path)
    assert "class.created.v1.json: $.colour: is gone" in str(raised.value)
    assert ".v2" in str(raised.value)
    assert read(tmp_path) == before


def test_an_event_that_is_gone_is_a_broken_promise() -> None:
    old = {"class.merged.v1.json": {}, **contracts(school)}
    assert broken_promises(old, contracts(school)) == ["class.merged.v1.json: the event is gone"]


def test_a_topic_that_moved_is_a_broken_promise() -> None:
    old = copy.deepcopy(contracts(school))
    old[TOPICS]["channels"]["class.merged.v1"] = {"address": "x"}
    old[TOPICS]["channels"]["class.created.v1"]["address"] = "x"
    message = old[TOPICS]["components"]["messages"]["class.updated.v1"]
    message["bindings"]["kafka"]["key"]["type"] = "integer"
    lost = broken_promises(old, contracts(school))
    assert len(lost) == 3
    assert "asyncapi.json: class.created.v1: the topic is now huleedu.class.created.v1" in lost


def run_contracts(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "contracts", str(folder)],
        env=environment(settings) | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_command_says_what_it_wrote_or_what_would_break(tmp_path: Path) -> None:
    done = run_contracts(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote ") == len(contracts(school))
    promise_more(tmp_path)
    refused = run_contracts(tmp_path)
    assert refused.returncode == 1
    assert "colour: is gone" in refused.stderr
    assert ".v2" in refused.stderr


def test_the_committed_contracts_leave_the_command_nothing_to_do() -> None:
    done = run_contracts(ROOT / "contracts")
    assert (done.returncode, done.stdout) == (0, "")


def test_another_application_has_contracts_of_its_own(tmp_path: Path) -> None:
    done = run_contracts(tmp_path, application="tests.cli.altering:application")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"command.rejected.v1.json", TOPICS}
    document = schemas.load(tmp_path / TOPICS)
    assert document["info"]["title"] == "Events of altering"
    assert document["channels"]["command.rejected.v1"]["address"] == "command.rejected.v1"
