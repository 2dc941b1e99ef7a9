"""Payloads that are JSON: a command, or an error with the path of each field that is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest

from outbox_school.commands import AnyCommand
from outbox_school.handle import parse
from outbox_school.results import ErrorCode
from outbox_school.school import school
from outbox_worker.application import Refused
from outbox_worker.application import command as commands
from outbox_worker.application.refusal import MOST_FAULTS
from tests.domain.payloads import ENTITY, ENVELOPE, ID, NULL, VALID, errors, fault
from tests.domain.school_rows import number

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_there_is_a_command_for_every_type_and_a_type_for_every_command() -> None:
    assert {each.model for each in school.commands} == set(get_args(AnyCommand))
    assert school.types.keys() == VALID.keys()


@pytest.mark.parametrize("kind", VALID)
def test_a_good_payload_is_the_command_that_python_would_make(kind: str) -> None:
    model = school.types[kind].model
    made = model(
        **VALID[kind],
        actor=ENVELOPE.actor,
        command_id=ENVELOPE.command_id,
        correlation_id=ENVELOPE.correlation_id,
    )
    payload = json.dumps(VALID[kind])
    assert parse(kind, payload, ENVELOPE) == made
    assert parse(kind, payload.encode(), ENVELOPE) == made


@pytest.mark.parametrize("kind", ["", "createClass", "CreateClass ", "Command", "CreateCourse"])
def test_an_unknown_type_is_named_with_those_that_are_known(kind: str) -> None:
    refused = parse(kind, "{}", ENVELOPE)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.UNKNOWN_COMMAND_TYPE
    assert refused.details == {"command_type": kind}
    assert all(name in refused.message for name in school.types)


WRONG: Final[Mapping[tuple[str, str], list[Any]]] = {
    # field: what it must not hold, by type of command
    ("CreateClass", "name"): [
        "",
        "   ",
        "x" * 101,
        7,
        True,
        ["9B"],
        {},
        "a\u0000b",
        "a\nb",
        "\x7f",
        *("\u200b", "\ufeff", "\u3164", " \u2060\u00ad ", "\ufe0f", "\U000e0041", "\u2800"),
    ],
    ("CreateClass", "course_codes"): [[], "SV1", {}, 1, ["SV1"] * 101],
    ("CreateClass", "class_id"): ["", "no id", 7, [], ID[:-1], True],
    ("UpdateClass", "name"): ["", " ", "x" * 101, 7],
    ("UpdateClass", "class_id"): ["no id", 7, {}],
    ("UpdateClass", "course_codes"): [[], "SV1"],
    ("DeleteClass", "class_id"): ["no id", 7, []],
    ("CreateStudent", "first_name"): ["", " ", "\u200b", "x" * 256, 7, [], "a\u0000b", "a\tb"],
    ("CreateStudent", "last_name"): ["", " ", "\u3164", "x" * 256, 7, []],
    ("CreateStudent", "legal_full_name"): ["", " ", "\ufeff", "x" * 512, 7, "a\rb"],
    ("CreateStudent", "email"): [
        *("", "ada", "ada@", "@skola.se", "ada@skola", "a b@skola.se", "ada@@skola.se", 7, []),
        *("Ada <ada@skola.se>", "ada@localhost", "x" * 65 + "@skola.se", "x@" + "y" * 400 + ".se"),
        *("a\u0000@skola.se", "ada@skola.se\nbcc: eva@skola.se", "ada@[127.0.0.1]"),
        *("ada@local", "ada@.local", "ada@-skola.local", "ada@skola.invalid", "ada@b.onion"),
    ],
    ("CreateStudent", "class_ids"): [ID, {}, 1, [ID] * 1_001],
    ("UpdateStudent", "first_name"): ["", " ", 7],
    ("UpdateStudent", "email"): ["", "ada"],
    ("UpdateStudent", "add_class_ids"): [ID, {}],
    ("UpdateStudent", "remove_class_ids"): [ID, {}],
    ("DeleteStudent", "student_id"): ["no id", 7],
    ("EraseStudent", "student_id"): ["no id", 7],
    ("EraseStudent", "tombstones"): ["true", 1, []],
    ("RegisterBatch", "expected_essay_count"): [0, 1_001, "2", 1.5, True],
    ("ProvisionContent", "file_size_bytes"): [-1, "1", 1.5, 2**63],
    ("ProvisionContent", "content_md5"): ["", "x" * 32, "a" * 31],
    ("RecordValidationFailure", "validation_error_code"): ["", "NO_SUCH_CODE", 1],
}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(kind, name, value) for (kind, name), values in WRONG.items() for value in values],
)
def test_a_wrong_value_is_refused_with_the_path_of_its_field(
    kind: str, name: str, value: object
) -> None:
    assert fault(kind, json.dumps({**VALID[kind], name: value}))[0] == name


@pytest.mark.parametrize(
    "domain",
    [
        *("skola.local", "post.skola.local", "råd.local", "pc.home.arpa", "mx.localhost"),
        *("post.internal", "skola.lan", "skola.corp", "skola.intranet", "nas.home", "skola.test"),
    ],
)
def test_an_address_in_a_network_of_ones_own_is_taken(domain: str) -> None:
    for kind in ("CreateStudent", "UpdateStudent"):
        payload = {**VALID[kind], "email": f"Ada.Ek@{domain.upper()}"}
        command = parse(kind, json.dumps(payload), ENVELOPE)
        assert getattr(command, "email", command) == f"Ada.Ek@{domain}"


@pytest.mark.parametrize(
    ("kind", "change", "path"),
    [
        ("CreateClass", {"course_codes": ["SV1", 7]}, "course_codes.1"),
        ("CreateClass", {"course_codes": [""]}, "course_codes.0"),
        ("CreateClass", {"course_codes": [None]}, "course_codes.0"),
        ("CreateStudent", {"class_ids": [ID, ID, "x"]}, "class_ids.2"),
        ("UpdateStudent", {"add_class_ids": [{}]}, "add_class_ids.0"),
        (
            "SuggestAssociations",
            {"matches": [{"essay_id": ID, "suggestions": [{"student_id": ID, "x": 1}]}]},
            "matches.0.suggestions.0",
        ),
        ("ConfirmAssociations", {"associations": [{"essay_id": ID}]}, "associations.0.confirmed"),
    ],
)
def test_a_path_leads_into_lists(kind: str, change: dict[str, object], path: str) -> None:
    refused = parse(kind, json.dumps(VALID[kind] | change), ENVELOPE)
    assert isinstance(refused, Refused)
    assert errors(refused)[0]["path"].startswith(path)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, known in school.types.items() for name in known.model.model_fields],
)
def test_a_null_is_refused_where_it_says_nothing(kind: str, name: str) -> None:
    if name in commands.ENVELOPE:
        assert fault(kind, json.dumps(VALID[kind] | {name: None})) == (name, ENTITY)
    elif name in school.types[kind].model.NULLABLE:
        outcome = parse(kind, json.dumps(VALID[kind] | {name: None}), ENVELOPE)
        assert getattr(outcome, name) is None
    else:
        assert fault(kind, json.dumps(VALID[kind] | {name: None})) == (name, NULL)


@pytest.mark.parametrize("kind", school.types)
def test_what_must_be_given_is_named_where_it_is_missing(kind: str) -> None:
    refused = parse(kind, "{}", ENVELOPE)
    assert isinstance(refused, Refused)
    needed = {
        name
        for name, field in school.types[kind].model.model_fields.items()
        if field.is_required() and name not in commands.ENVELOPE
    }
    assert {each["path"] for each in errors(refused)} == needed


@pytest.mark.parametrize("kind", school.types)
def test_an_unknown_field_is_refused(kind: str) -> None:
    assert fault(kind, json.dumps(VALID[kind] | {"colour": 1})) == (
        "colour",
        "Extra inputs are not permitted",
    )


@pytest.mark.parametrize("name", sorted(commands.ENVELOPE))
@pytest.mark.parametrize("value", ["mallory", ID, None])
def test_nobody_acts_for_another_by_the_payload(name: str, value: str | None) -> None:
    payload = json.dumps(VALID["DeleteClass"] | {name: value})
    assert fault("DeleteClass", payload) == (name, ENTITY)


def test_all_faults_are_named_up_to_a_bound() -> None:
    refused = parse("CreateStudent", '{"first_name": 1, "last_name": null, "x": 1}', ENVELOPE)
    assert isinstance(refused, Refused)
    assert {each["path"] for each in errors(refused)} == {"first_name", "last_name", "x"}
    many = parse("CreateClass", json.dumps({f"field {n}": n for n in range(100_000)}), ENVELOPE)
    assert isinstance(many, Refused)
    assert len(errors(many)) == MOST_FAULTS


def test_an_error_repeats_no_long_input() -> None:
    long = "x" * 100_000
    for payload in ({"name": long, "course_codes": [long]}, {long: 1}, {"name": {long: long}}):
        refused = parse("CreateClass", json.dumps(payload), ENVELOPE)
        assert isinstance(refused, Refused)
        assert len(refused.model_dump_json()) < 10_000


def test_an_update_that_gives_nothing_is_refused() -> None:
    assert fault("UpdateClass", json.dumps({"class_id": ID}))[1].startswith("give name or course")
    assert fault("UpdateStudent", json.dumps({"student_id": ID}))[1].startswith("give what changes")


def test_one_class_cannot_be_added_and_removed_at_once() -> None:
    ids = [str(number(n)) for n in range(3)]
    payload = {"student_id": ID, "add_class_ids": ids[:2], "remove_class_ids": ids[1:]}
    path, message = fault("UpdateStudent", json.dumps(payload))
    assert path == "remove_class_ids"
    assert ids[1] in message
    assert ids[0] not in message
    assert ids[2] not in message
