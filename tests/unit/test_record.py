"""An event of the table as a CloudEvents record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox_worker.relay.record import Header, headers_of, written_ms

SOURCE: Header = ("ce_source", "/school")
MOMENT = "2026-01-02T03:04:05.000006Z"


def headers(
    key: str | None = "k", own: str | None = None, payload: bytes | None = b"{}"
) -> list[Header]:
    row = (
        7,
        8,
        9,
        "event-id",
        "t",
        key,
        "made.v1",
        "application/json",
        MOMENT,
        own,
        payload,
        2,
        "w",
    )
    return headers_of(row, SOURCE)


def own_headers(text: str) -> dict[str, str | bytes | None]:
    """What follows the headers that are ours, but for the idempotency key."""
    ours = dict(headers())
    return {name: value for name, value in headers(own=text) if name not in ours}


def test_the_headers_are_those_of_the_binding() -> None:
    assert headers() == [
        ("ce_specversion", b"1.0"),
        ("ce_id", "event-id"),
        ("ce_source", "/school"),
        ("ce_type", "made.v1"),
        ("ce_time", MOMENT),
        ("content-type", "application/json"),
        ("ce_subject", "k"),
        ("idempotency-key", "event-id"),
    ]


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_there_is_no_subject(key: str | None) -> None:
    assert "ce_subject" not in dict(headers(key=key))


def test_a_tombstone_has_no_content_type() -> None:
    assert "content-type" not in dict(headers(payload=None))
    assert "content-type" in dict(headers(payload=b""))


def test_the_writers_headers_follow_as_they_are() -> None:
    own = json.dumps({"correlation-id": "c", "n": 1, "yes": True, "no": False, "": 1})
    assert own_headers(own) == {"correlation-id": "c", "n": "1", "yes": "true", "no": "false"}
    deep = json.dumps(
        {"a": {}, "b": [], "deep": {"ä": [1, {"b": "x: [,"}]}, "s": "{"}, ensure_ascii=False
    )
    found = {"a": "{}", "b": "[]", "deep": '{"ä":[1,{"b":"x: [,"}]}', "s": "{"}
    assert own_headers(deep) == found
    assert dict(headers(own=own))["idempotency-key"] == "event-id"


@pytest.mark.parametrize("other", ["1", "[[]]"])
def test_a_header_of_null_is_none(other: str) -> None:
    assert own_headers(f'{{"a": null, "b": {other}, "c": null}}') == {"b": other}
    assert dict(headers(own='{"idempotency-key": null}'))["idempotency-key"] == "event-id"
    assert headers(own="null") == headers(own="{}") == headers()


@pytest.mark.parametrize(
    "digits", ["12345678901234567890.123456789", "1" + 5_000 * "0", "-0.10", "100"]
)
def test_numbers_go_out_digit_by_digit(digits: str) -> None:
    found = own_headers(f'{{"n": {digits}, "b": true}}')
    assert found == {"n": digits, "b": "true"}
    found = own_headers(f'{{"n": {digits}, "deep": [{digits}, {{"a": {digits}}}], "b": true}}')
    assert found == {"n": digits, "deep": f'[{digits},{{"a":{digits}}}]', "b": "true"}


def test_nesting_has_no_bound() -> None:
    deep = 20_000 * "[" + '"[" ' + 20_000 * "]"
    assert own_headers(f'{{"a": {deep}, "b": "c"}}') == {"a": deep.replace(" ", ""), "b": "c"}


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    NAMES | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(st.dictionaries(NAMES.map("x-{}".format), VALUES))
def test_strings_are_themselves_and_all_else_is_its_json(own: dict[str, object]) -> None:
    expected = {
        name: value if isinstance(value, str) else compact(value)
        for name, value in own.items()
        if value is not None
    }
    assert own_headers(json.dumps(own, ensure_ascii=False)) == expected


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("other", ["1", "[]"])
def test_of_events_from_before_the_rules_ours_win(other: str) -> None:
    names = ["", "CE_ID", "Content-Type", "ce_datacontenttype", "ce_data", "ce_my-ext", "CE_x"]
    own = dict.fromkeys(names, "theirs") | {"ce_tenant": "nord", "ce_dataschema": "s", "a": "b"}
    text = json.dumps(own)[:-1] + f', "last": {other}}}'
    kept = {"ce_tenant": "nord", "ce_dataschema": "s", "a": "b", "last": other}
    assert own_headers(text) == kept


def test_the_writers_idempotency_key_stands_for_the_events_id() -> None:
    found = headers(own='{"idempotency-key": "mine", "Idempotency-Key": "other"}')
    assert [value for name, value in found if name == "idempotency-key"] == ["mine"]
    assert ("Idempotency-Key", "other") in found


GUID = "0193f1a2-0000-7000-8000-0123456789ab"


@pytest.mark.parametrize("name", ["__key_schema_id", "__value_schema_id"])
@pytest.mark.parametrize("more", ["", ', "deep": [1]'])
def test_the_id_of_a_schema_goes_out_in_the_form_of_confluents_headers(
    name: str, more: str
) -> None:
    """A byte 1 and the 16 bytes of the GUID: `SchemaId.guid_to_bytes` of confluent-kafka."""
    expected = bytes.fromhex("01" + GUID.replace("-", ""))
    found = own_headers(f'{{"{name}": "{GUID}", "tenant": "a", "x_schema_id": "b"{more}}}')
    assert found.pop("deep", "[1]") == "[1]"
    assert found == {name: expected, "tenant": "a", "x_schema_id": "b"}


def test_what_is_no_guid_goes_out_as_it_stands() -> None:
    assert own_headers('{"__value_schema_id": "seven"}') == {"__value_schema_id": "seven"}


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001  made UTC below
def test_the_time_of_the_insert_is_in_whole_milliseconds(moment: datetime) -> None:
    text = moment.isoformat(timespec="microseconds") + "Z"
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert written_ms(text) == since // timedelta(milliseconds=1)
