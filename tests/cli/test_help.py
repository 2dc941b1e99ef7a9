"""`--help` lists the settings that a command reads, and mistyped names are met with the nearest."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Final

import pytest

from outbox_school.settings import SchoolSettings
from outbox_worker.settings import Settings
from tests.cli.conftest import run_command

SECRET: Final = "hush-hush"
DATABASE: Final = {"DATABASE_URL", "DATABASE_PASSWORD_COMMAND"}
KAFKA: Final = {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_PROPERTIES"}
GROUP: Final = {"GROUP", "LOG_LEVEL", "LOG_VALUES"}
EVERY: Final = {name.upper() for name in Settings.model_fields}
OF_THE_SCHOOL: Final = {name.upper() for name in SchoolSettings.model_fields}


def listed(*arguments: str, **settings: str) -> set[str]:
    done = run_command(*arguments, "--help", **settings)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^ +OUTBOX_(\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("command", "read"),
    [
        ("migrate", DATABASE | {"APPLICATION", "LOG_VALUES"}),
        ("purge", DATABASE | {"APPLICATION", "LOG_VALUES"}),
        ("contracts", {"APPLICATION"}),
        ("demo", {"APPLICATION"}),
        ("status", DATABASE | GROUP),
        ("verify", DATABASE | KAFKA | GROUP),
        ("doctor", DATABASE | KAFKA | GROUP | {"APPLICATION"}),
        ("commands list", DATABASE | {"LOG_LEVEL", "LOG_VALUES"}),
        ("commands show", DATABASE | {"LOG_LEVEL", "LOG_VALUES"}),
        ("commands retry", DATABASE | {"LOG_LEVEL", "LOG_VALUES"}),
        ("rebase", DATABASE | KAFKA | GROUP),
        ("dead-letters", DATABASE | {"LOG_VALUES"}),
        ("tail", KAFKA | GROUP),
        ("grant", DATABASE),
        ("revoke", DATABASE),
        ("grants", DATABASE),
        ("run", EVERY | OF_THE_SCHOOL),
    ],
)
def test_help_lists_the_settings_that_the_command_reads(command: str, read: set[str]) -> None:
    assert listed(*command.split()) == read


def test_help_of_a_pure_relay_has_no_settings_of_an_application() -> None:
    assert listed("run", application="") == EVERY


def test_help_of_run_names_an_application_that_is_not_there() -> None:
    done = run_command("run", "--help", application="absent.module:app")
    assert done.returncode == 0
    assert "absent.module:app cannot be imported" in done.stdout
    assert "OUTBOX_BATCH_ROWS" in done.stdout


def test_a_mistyped_setting_is_met_with_the_nearest_one_and_never_with_its_value() -> None:
    done = run_command("status", database_ulr=f"postgresql://me:{SECRET}@db/x", batch_row="7")
    for wrong, right in (("DATABASE_ULR", "DATABASE_URL"), ("BATCH_ROW", "BATCH_ROWS")):
        assert (
            f"warning: OUTBOX_{wrong} is not a setting; did you mean OUTBOX_{right}?\n"
        ) in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert done.returncode == 2


def test_a_mistyped_setting_of_the_application_is_met_by_run() -> None:
    done = run_command("run", association_min_scor="0.5")
    assert (
        "warning: OUTBOX_ASSOCIATION_MIN_SCOR is not a setting; "
        "did you mean OUTBOX_ASSOCIATION_MIN_SCORE?\n"
    ) in done.stderr
    assert done.returncode == 2


def test_settings_of_the_application_and_of_others_are_no_mistakes() -> None:
    done = run_command("status", association_min_score="0.5", local_kafka="x:1", tenant="a")
    assert "warning" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "hint"), [("stauts", " Did you mean status?"), ("frobnicate", "")]
)
def test_a_mistyped_command_is_met_with_the_nearest_one(typed: str, hint: str) -> None:
    done = run_command(typed)
    assert done.returncode == 2
    assert f"No such command: {typed}.{hint}\n" in done.stderr


def test_the_version_needs_no_driver_and_no_settings() -> None:
    """They take two thirds of the time of a start; whoever only asks does not wait for them."""
    program = (
        "import sys\n"
        "from outbox_worker.cli import group\n"
        "group.main(['--version'], standalone_mode=False)\n"
        "print(sorted({'psycopg', 'pydantic', 'confluent_kafka'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
