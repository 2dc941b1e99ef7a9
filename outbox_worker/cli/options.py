"""What the commands share: the settings as a part of `--help`, and mistyped names."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click
from typing_extensions import override

from outbox_worker.application.loading import load
from outbox_worker.errors import SettingsError
from outbox_worker.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pydantic_settings import BaseSettings

PREFIX: Final = "OUTBOX_"

DATABASE: Final = ("database_url", "database_password_command")
KAFKA: Final = ("kafka_bootstrap_servers", "kafka_properties")
GROUP: Final = ("group", "log_level", "log_values")

NEAR: Final = 0.8
"""How much of two names is alike where one may be the other mistyped. An application has settings
of its own under the same prefix, and most of its names are further from ours."""


class RunCommand(click.Command):
    """`run`: its help ends with the settings of the engine, and of the application."""

    @override
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.epilog = "\n".join([settings_help(Settings.model_fields), *_of_the_application()])
        super().format_epilog(ctx, formatter)


def settings_help(names: Collection[str]) -> str:
    """These environment variables, each with its meaning and default, for a command's epilog."""
    return "\n".join(["\b", "Settings (environment):", *_lines(Settings, names)])


def _lines(of: type[BaseSettings], names: Collection[str]) -> Iterator[str]:
    for name, field in of.model_fields.items():
        if name in names:
            variable = f"{PREFIX}{name.upper()}"
            default = "" if field.default in {None, ""} or name == "database_url" else field.default
            shown = f" [{default}]" if default != "" else ""
            yield f"  {variable:<34} {field.description or ''}{shown}"


def _of_the_application() -> Iterator[str]:
    """Where it cannot be imported the help says so, and shows the rest."""
    default = str(Settings.model_fields["application"].default)
    name = os.environ.get("OUTBOX_APPLICATION", default)
    try:
        own = load(name).settings
    except SettingsError as error:
        yield f"Settings of the application are not known: {error.message}"
        return
    if own is not None:
        yield f"Settings of the application {name}:"
        yield from _lines(own, own.model_fields)


def moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """The value of an option as a time: ISO 8601; UTC where it names no offset."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("write it as 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def warn_of_mistyped(of: type[BaseSettings]) -> None:
    """Name on standard error the variables that look like one of these settings, and are none."""
    for variable, meant in mistyped(os.environ, of):
        click.echo(f"warning: {variable} is not a setting; did you mean {meant}?", err=True)


def mistyped(environment: Mapping[str, str], of: type[BaseSettings]) -> Iterator[tuple[str, str]]:
    """Variables that are none of these settings but look like one, each with that one.

    Never with their values, which may be secrets.
    """
    known = [name.upper() for name in of.model_fields]
    others = {name.upper() for name in Settings.model_fields} | {"LOCAL_KAFKA"}
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX)
        if name != variable and name not in {*known, *others}:
            found = nearest(name.upper(), known)
            # Names of settings are read in any case.
            if found is not None and found != name.upper():
                yield variable, f"{PREFIX}{found}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` may have been meant for, None where none is near."""
    return next(iter(get_close_matches(name, list(known), n=1, cutoff=NEAR)), None)
