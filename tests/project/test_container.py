"""The Dockerfile: what is deployed is not root, can be asked how it is, and is pinned."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Final

import pytest

import outbox_worker
from outbox_worker.local.ports import free_port
from outbox_worker.settings import Settings
from tests.project.tree import PRODUCT, ROOT, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCKS: Final = ("requirements.lock", "requirements-build.lock")
PINNED_IMAGE = re.compile(r"[a-z/-]+:\d[\w.-]+")


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments, comments gone and continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", kept)
    split = (line.partition(" ") for line in joined.splitlines() if line)
    return [(name, arguments.strip()) for name, _, arguments in split]


def runtime() -> list[tuple[str, str]]:
    """The instructions of the last stage."""
    found = instructions()
    begin = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[begin:]


def value(name: str) -> str:
    """The arguments of the one instruction of the last stage that has this name."""
    (arguments,) = (arguments for found, arguments in runtime() if found == name)
    return arguments


def variables() -> dict[str, str]:
    """What ENV of the last stage sets."""
    return dict(re.findall(r'(\w+)="?([^"\s]+)"?', value("ENV")))


def health_check() -> list[str]:
    """The command that asks the worker how it is."""
    command: list[str] = json.loads(value("HEALTHCHECK").partition("CMD ")[2])
    return command


@contextmanager
def worker_that_answers(status: int) -> Iterator[int]:
    """The port of a server that answers `status` to /livez and 404 to all else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_both_stages_stand_on_one_pinned_image() -> None:
    images = [
        arguments.partition(" AS ")[0] for name, arguments in instructions() if name == "FROM"
    ]
    assert images == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
    arguments = dict(item.split("=", 1) for name, item in instructions() if name == "ARG")
    assert PINNED_IMAGE.fullmatch(arguments["PYTHON_IMAGE"])
    assert arguments["PYTHON_IMAGE"].startswith("python:3.")


def test_worker_is_not_root() -> None:
    user, _, group = value("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_container_is_the_command_and_runs_it_by_default() -> None:
    assert json.loads(value("ENTRYPOINT")) == ["outbox-worker"]
    assert json.loads(value("CMD")) == ["run"]
    assert value("STOPSIGNAL") == "SIGTERM"


def test_runtime_builds_nothing() -> None:
    assert "pip" not in " ".join(arguments for _, arguments in runtime())


def test_labels_say_version_and_licence() -> None:
    assert value("ARG") == f"VERSION={outbox_worker.__version__}"
    assert 'org.opencontainers.image.version="${VERSION}"' in value("LABEL")
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in value("LABEL")


def test_settings_of_the_image_are_settings_of_the_worker() -> None:
    ours = {key for key in variables() if key.startswith("OUTBOX_")}
    assert ours == {"OUTBOX_HTTP_ADDRESS"}
    assert {key.removeprefix("OUTBOX_").lower() for key in ours} <= set(Settings.model_fields)
    assert variables()["OUTBOX_HTTP_ADDRESS"] == f"0.0.0.0:{value('EXPOSE')}"


def is_healthy(address: str, **more: str) -> bool:
    """What the container's check says of a worker with this OUTBOX_HTTP_ADDRESS."""
    python, *rest = health_check()
    assert python == "python"
    environment = clean_environment(OUTBOX_HTTP_ADDRESS=address, **more)
    order = [sys.executable, *rest]
    return subprocess.run(order, env=environment, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "localhost"])  # noqa: S104  a setting
def test_health_check_believes_what_livez_says(host: str, status: int, *, healthy: bool) -> None:
    with worker_that_answers(status) as port:
        assert is_healthy(f"{host}:{port}") is healthy


def test_health_check_asks_at_the_address_that_the_worker_binds() -> None:
    with worker_that_answers(200) as port:
        assert not is_healthy(f"[::1]:{port}"), "nobody listens there"


def test_health_check_asks_nobody_on_the_way() -> None:
    with worker_that_answers(200) as port:
        assert is_healthy(f"0.0.0.0:{port}", http_proxy=f"http://127.0.0.1:{free_port()}")


def test_a_worker_without_http_is_not_unhealthy_for_it() -> None:
    assert is_healthy("")


def test_a_worker_that_does_not_answer_is_unhealthy() -> None:
    assert not is_healthy(f"127.0.0.1:{free_port()}")


def test_everything_that_the_wheel_is_built_from_reaches_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    admitted = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert admitted == {"pyproject.toml", *LOCKS, "README.md", "LICENSE", *PRODUCT}


def test_nothing_comes_from_the_index_without_a_hash() -> None:
    (build,) = (arguments for name, arguments in instructions() if "pip install" in arguments)
    installs = [
        step.split("pip install ")[1].strip() for step in build.split("&&") if "pip install" in step
    ]
    assert installs == [
        "--require-hashes -r requirements-build.lock",
        "--require-hashes -r requirements.lock",
        "--no-deps --no-index /wheels/*.whl",
    ]
