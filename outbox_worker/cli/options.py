"""What the commands share: the settings as a part of `--help`."""

from __future__ import annotations

from outbox_worker.settings import Settings


def settings_help() -> str:
    """The environment variables, each with its meaning and default, for a command's epilog."""
    lines = ["\b", "Settings (environment):"]
    for name, field in Settings.model_fields.items():
        variable = f"OUTBOX_{name.upper()}"
        default = "" if field.default in {None, ""} or name == "database_url" else field.default
        shown = f" [{default}]" if default != "" else ""
        lines.append(f"  {variable:<34} {field.description or ''}{shown}")
    return "\n".join(lines)
