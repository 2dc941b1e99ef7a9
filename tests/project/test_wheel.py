"""The wheel holds all that the program needs, and works where only it is installed."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

import outbox_worker
from tests.harness.waiting import patient
from tests.project.tree import INSTALLED, PRODUCT, ROOT, files
from tests.project.wheels import build_wheel, install, run

if TYPE_CHECKING:
    from pathlib import Path

# Packages come over the network the first time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(patient(600))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel and what the wheel asks for, nothing else."""
    return install(wheel, tmp_path_factory.mktemp("environment"))


def test_wheel_holds_every_module_statement_and_marker(wheel: Path) -> None:
    names = {path.relative_to(ROOT).as_posix() for path in files(".py", ".sql", "py.typed")}
    wanted = {
        name.removeprefix("domain/")
        .replace("sql/engine/", "outbox_worker/sql/")
        .replace("sql/school/", "outbox_school/sql/")
        for name in names
        if name.split("/")[0] in PRODUCT
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert {f"{package}/py.typed" for package in INSTALLED} <= wanted
    assert wanted - held == set()


def test_wheel_holds_the_licence_and_nothing_of_the_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = archive.namelist()
    assert [name for name in held if name.endswith(".dist-info/licenses/LICENSE")]
    tops = {name.split("/")[0] for name in held}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(INSTALLED)


def test_installed_command_starts_and_names_its_version(installed: Path) -> None:
    assert "Usage: outbox-worker" in run(installed / "outbox-worker", "--help")
    assert outbox_worker.__version__ in run(installed / "outbox-worker", "--version")


def test_every_installed_module_of_the_worker_imports_without_the_extras(installed: Path) -> None:
    # What the extra `demo` brings may be needed when a server is started, not before; what `otel`
    # brings is needed by one module, which is imported where somebody asks for traces.
    walk = (
        "import importlib, pkgutil, outbox_worker, outbox_school\n"
        "for package in (outbox_worker, outbox_school):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not found.name.endswith(('__main__', '.tracing.otel')):\n"
        "            importlib.import_module(found.name)\n"
    )
    run(installed / "python", "-W", "error", "-c", walk)


def test_installed_packages_find_their_statements(installed: Path) -> None:
    listing = run(
        installed / "python",
        "-c",
        "from outbox_school.school import school; from outbox_worker.stores.loader import sql\n"
        "print(*sql.names(), *school.sql.names(), *school.tables, sep='\\n')",
    )
    assert {"outbox/read_tail", "slot/claim_slot"} <= set(listing.splitlines())
    assert "name='events'" in listing
    assert "name='batches'" in listing
