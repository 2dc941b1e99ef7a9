"""Any event of a model: any text and number of rows, and what may be absent sometimes is."""

from __future__ import annotations

import types
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, JsonValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from outbox_worker.application import Event

SCALARS: Final[Mapping[Any, st.SearchStrategy[Any]]] = {
    str: st.text(max_size=20),
    int: st.integers(0, 1_000),
    bool: st.booleans(),
    float: st.floats(0, 1),
    UUID: st.uuids(),
    AwareDatetime: st.datetimes(timezones=st.just(UTC)),
    types.NoneType: st.none(),
    JsonValue: st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=4,
    ),
}


def samples(model: type[Event]) -> st.SearchStrategy[Event]:
    """Any event of this type; only fields of `NULLABLE` are null where they may be absent."""
    always: dict[str, st.SearchStrategy[Any]] = {}
    sometimes: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in model.model_fields.items():
        if field.is_required():
            always[name] = of_field(field)
        elif name in model.NULLABLE:
            sometimes[name] = of_field(field)
        else:
            sometimes[name] = of_field(field).filter(lambda value: value is not None)
    return st.fixed_dictionaries(always, optional=sometimes).map(model.model_validate)


def of_field(field: FieldInfo) -> st.SearchStrategy[Any]:
    return of_type(field.annotation)


def of_type(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401, PLR0911  any annotation, a line each
    """Any value of a type that events use."""
    if kind in SCALARS:
        return SCALARS[kind]
    inner = get_args(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        return of_type(inner[0])
    if origin is Literal:
        return st.sampled_from(inner)
    if origin in {Union, types.UnionType}:
        return st.one_of(*map(of_type, inner))
    if origin is list:
        return st.lists(of_type(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(of_type(inner[0]), of_type(inner[1]), max_size=3)
    assert issubclass(kind, BaseModel)
    return st.fixed_dictionaries(
        {name: of_field(field) for name, field in kind.model_fields.items()}
    )
