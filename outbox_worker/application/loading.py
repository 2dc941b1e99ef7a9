"""From the setting `OUTBOX_APPLICATION` to the application."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from outbox_worker.application.application import Application
from outbox_worker.errors import SettingsError
from outbox_worker.settings import read

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

NONE: Final = Application("none")
"""Of a pure relay: it executes nothing, and every command is of an unknown type."""


def load(name: str) -> Application:
    """The application that is called `module:attribute`, the empty one for an empty name.

    `SettingsError` where it cannot be imported, or is none.
    """
    if not name:
        return NONE
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise SettingsError(
            f"OUTBOX_APPLICATION {name} cannot be imported: {error}",
            "Name an Application as module:attribute, of a package that is installed beside "
            "outbox-worker; empty for a relay without commands",
        ) from error
    if not isinstance(found, Application):
        what = f"is no Application but {type(found).__name__}" if found else "is not there"
        raise SettingsError(
            f"OUTBOX_APPLICATION {name}: {attribute or 'the attribute'} of {module} {what}",
            "Name an object of outbox_worker.application.Application as module:attribute",
        )
    return found


def load_settings(of: type[BaseSettings] | None) -> BaseSettings | None:
    """The application's settings from the environment; `SettingsError` names what is wrong."""
    return None if of is None else read(of)
