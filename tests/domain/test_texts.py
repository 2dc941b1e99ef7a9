"""Addresses: what is remembered of a domain changes no answer."""

from __future__ import annotations

from itertools import product

import pytest

from outbox_school import texts

LOCALS = ("ada", "ada.lovelace", "a+b_c-d", "Ada", "POSTMASTER", "postmaster", ".ada", "a..b", "ü",
          '"a b"', "", "a" * 64, "a" * 65, "a\n", "a b")  # fmt: skip
DOMAINS = ("school.example", "School.Example", "school.local", "a.b.school.HOME.ARPA", "x.internal",
           "xn--bcher-kva.example", "localhost", "school", "-a.example", "a..example",
           "a_b.example", "a.example.", "[127.0.0.1]", "", "d" * 60 + ".com", "d" * 64 + ".com",
           "e.x@d.example", "x.onion", "b\u00fccher.example", "a.example\n")  # fmt: skip


def answer(text: str, *, plain: bool) -> str:
    try:
        return texts.an_email(text) if plain else texts._checked(text)
    except ValueError as error:
        return f"refused: {error}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_an_address_gets_the_answer_of_the_library_the_first_and_the_second_time(
    domain: str,
) -> None:
    found = {}
    for local, _ in product(LOCALS, range(2)):
        text = f"{local}@{domain}"
        found[text] = answer(text, plain=True)
        assert found[text] == answer(text, plain=False), text
    assert len(found) == len(LOCALS)


def test_a_domain_is_looked_at_once() -> None:
    texts.an_email("ada@once.example")
    before = texts._domain.cache_info().hits
    assert texts.an_email("grace@once.example") == "grace@once.example"
    assert texts._domain.cache_info().hits == before + 1
