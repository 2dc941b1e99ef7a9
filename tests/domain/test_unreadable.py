"""Payloads that are no JSON, or are meant to do harm: an error with a path, never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox_school.handle import parse
from outbox_school.results import ErrorCode
from outbox_school.school import school
from outbox_worker.application import Envelope, Refused
from tests.domain.payloads import CONTENT, ENVELOPE, ID, VALID, errors, fault
from tests.domain.school_rows import number


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b"", ""),
        (b"7", ""),
        (b"null", ""),
        (b'"CreateClass"', ""),
        (b'[{"name": "9B"}]', ""),
        (b'{"name": "9B"', "name"),
        (b'{"name": "9B", }', ""),
        (b"{'name': '9B'}", ""),
        (b'{"course_codes": ["SV1"], "name": 1e400}', "name"),
        (b'{"course_codes": ["SV1"], "name": NaN}', "name"),
        (b'{"course_codes": ["SV1"], "name": -Infinity}', "name"),
        (b'{"course_codes": ["SV1"], "name": %s}' % (b"9" * 4_000), "name"),
        (b'{"course_codes": ["SV1"], "name": %s}' % (b"9" * 5_000), "name"),
        (b'{"course_codes": ["SV1"], "name": -%s.5}' % (b"9" * 5_000), "name"),
        (b'{"course_codes": ["SV1"], "name": %s%s}' % (b"[" * 190, b"]" * 190), "name"),
        (b'{"course_codes": ["SV1"], "name": %s%s}' % (b"[" * 10_000, b"]" * 10_000), "name"),
        (b'{"course_codes": [{"x": %s1%s}]}' % (b'{"name":' * 300, b"}" * 300), "course_codes"),
        (b'{"course_codes": ["SV1"],\n\n "name":\n "\xff"}', "name"),
        (b'{"course_codes": ["SV1"], "name": "\xed\xa0\x80"}', "name"),
        (b'{"course_codes": ["SV1"], "name": "\\ud800"}', "name"),
        (b'{"course_codes": ["SV1"], "name": "\\udc00\\ud800"}', "name"),
        (b'{"course_codes": ["SV1"], "name": "\\u0000"}', "name"),
        (b'{"course_codes": ["SV1"], "name": "a\x00b"}', "name"),
        (b'{"say \\"{[": "SV1", "name": "\\ud800"}', "name"),
        ('{"course_codes": ["SV1"], "name": "\ud800"}', "name"),
        ('{"course_codes": ["SV1"], "\ud800": 1}', ""),
    ],
    ids=lambda value: ascii(value[:60]) if value else "nothing",
)
def test_what_cannot_be_read_is_refused_with_the_field_it_is_in(
    payload: str | bytes, path: str
) -> None:
    refused = parse("CreateClass", payload, ENVELOPE)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.VALIDATION_ERROR
    assert path in {each["path"] for each in errors(refused)}
    refused.model_dump_json()


def test_a_number_that_is_too_big_is_refused_where_a_number_belongs() -> None:
    for digits in ("1e400", "-1e400", "NaN", "9" * 300, "9" * 5_000):
        payload = json.dumps(CONTENT).replace(
            '"file_size_bytes": 1', f'"file_size_bytes": {digits}'
        )
        assert fault("ProvisionContent", payload)[0] == "file_size_bytes"
        payload = json.dumps(VALID["SuggestAssociations"]).replace("0.5", digits)
        assert fault("SuggestAssociations", payload)[0].startswith("matches")


@pytest.mark.parametrize("actor", ["", "x" * 256, "a\u0000b", "a\nb"])
def test_an_actor_that_is_none_is_refused_as_such(actor: str) -> None:
    refused = parse("DeleteClass", json.dumps({"class_id": ID}), Envelope(number(900), actor))
    assert isinstance(refused, Refused)
    assert [each["path"] for each in errors(refused)] == ["actor"]


def test_an_actor_with_half_a_surrogate_pair_raises_nothing() -> None:
    parse("DeleteClass", json.dumps({"class_id": ID}), Envelope(number(900), "\ud800"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from([ID, "a@b.se", "SV1", "9" * 5_000])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A good payload of which some fields hold anything, and some are gone."""
    kind = draw(st.sampled_from(sorted(school.types)))
    payload = dict(VALID[kind])
    names = sorted(school.types[kind].model.model_fields)
    for name in draw(st.lists(st.sampled_from(names) | st.text(max_size=5), max_size=4)):
        if draw(st.booleans()):
            payload[name] = draw(ANYTHING)
        else:
            payload.pop(name, None)
    return kind, payload


@given(spoiled())
def test_whatever_comes_gives_a_command_or_an_error_with_a_path(
    case: tuple[str, dict[str, Any]],
) -> None:
    kind, payload = case
    outcome = parse(kind, json.dumps(payload), ENVELOPE)
    if not isinstance(outcome, Refused):
        assert isinstance(outcome, school.types[kind].model)
        assert outcome.actor == ENVELOPE.actor
        return
    assert outcome.code == ErrorCode.VALIDATION_ERROR
    known = {*payload, *school.types[kind].model.model_fields, ""}
    assert all(
        each["path"].split(".")[0] in {k.split(".")[0] for k in known} for each in errors(outcome)
    )
    outcome.model_dump_json()


@given(st.binary(max_size=200) | st.text(st.characters(), max_size=200))
def test_whatever_bytes_come_nothing_is_raised(payload: bytes | str) -> None:
    for kind in ("CreateClass", "ConfirmAssociations"):
        assert isinstance(parse(kind, payload, ENVELOPE), Refused)


@given(st.text('{}[],:"\\ab01 \n', max_size=60), st.sampled_from(["\\ud800", "9" * 5_000, "["]))
def test_the_place_of_a_fault_is_found_in_whatever_surrounds_it(noise: str, bad: str) -> None:
    refused = parse("CreateClass", f'{{"name": "{noise}{bad}', ENVELOPE)
    assert isinstance(refused, Refused)
    assert refused.code == ErrorCode.VALIDATION_ERROR
