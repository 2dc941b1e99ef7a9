"""What names, addresses and remarks may hold, and how they are trimmed."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt): what nobody sees."""

KEPT_AT_AN_END: Final = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef"
"""Of these the selectors and tags, which choose the form of the character before them."""

NOTHING_SEEN: Final = re.compile(rf"[\s\u2800{INVISIBLE}]*")
BEGINNING: Final = re.compile(rf"\A[\s\u2800{INVISIBLE}]+")
END: Final = re.compile(rf"(?:(?![{KEPT_AT_AN_END}])[\s\u2800{INVISIBLE}])+\Z")

INTERNAL: Final = re.compile(r"(?<=\.)(?:local|localhost|home\.arpa)\Z", re.IGNORECASE)
"""Ends of domains that are a network's own (RFC 6761, 6762, 8375): the mail of a school may be
there. The library takes them for mistakes, but for `.internal`."""

PLAIN_LOCAL: Final = re.compile(r"[a-z0-9]+(?:[._+-][a-z0-9]+)*")
"""What most addresses have before the `@`, and the library leaves as it is."""

PLAIN_DOMAIN: Final = re.compile(r"[a-zA-Z0-9.-]+")
LONGEST_PLAIN: Final = 64
"""Characters before and after the `@`: as many as the library takes before it, and
so few that no address of two such halves is too long."""

DOMAINS: Final = 1_024
"""Domains that are remembered as good ones; of more, those that came last."""

PUBLIC: Final = "example"
"""An end that the library takes, in place of an internal one."""


def trimmed(value: object) -> object:
    """A name without what nobody sees at its ends; nothing where there is nothing to see."""
    if not isinstance(value, str):
        return value
    if NOTHING_SEEN.fullmatch(value):
        return ""
    return END.sub("", BEGINNING.sub("", value))


def an_email(text: str) -> str:
    """An address as it is written on a form, its domain in small letters; no look-up.

    `ValueError` where it is none, or its domain is one that never has mail.
    """
    local, _, domain = text.partition("@")
    if (
        max(len(local), len(domain)) <= LONGEST_PLAIN
        and PLAIN_LOCAL.fullmatch(local)
        and PLAIN_DOMAIN.fullmatch(domain)
    ):
        # The library takes 50 us for the domain, and a school has few of them.
        return f"{local}@{_domain(domain)}"
    return _checked(text)


@lru_cache(DOMAINS)
def _domain(text: str) -> str:
    """A domain as it is in an address; what is none is not remembered."""
    return _checked(f"x@{text}").removeprefix("x@")


def _checked(text: str) -> str:
    try:
        internal = INTERNAL.search(text)
        given = INTERNAL.sub(PUBLIC, text)
        # test_environment: the domain .test is for those who try something out.
        found = validate_email(
            given, strict=True, check_deliverability=False, test_environment=True
        ).normalized
        return found.removesuffix(PUBLIC) + internal[0].lower() if internal else found
    except EmailNotValidError as error:
        message = f"is no e-mail address: {error}"
        raise ValueError(message) from error


def without_nul(text: str) -> str:
    """The text as it is; `ValueError`: a remark has lines, but Postgres keeps no NUL."""
    if "\0" in text:
        message = "may not hold the character NUL"
        raise ValueError(message)
    return text
