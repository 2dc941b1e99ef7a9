"""A company's certificate authority, and what it issued, as files that openssl made."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest

EC_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS: Final = ("-days", "2")
RUN_S: Final = 60.0


class Authority:
    """Issues certificates; clients that trust it are given the path `certificate`."""

    def __init__(self, folder: Path) -> None:
        """Keep its own certificate and key in the folder."""
        if shutil.which("openssl") is None:
            pytest.fail("Install openssl (Debian: apt-get install openssl)", pytrace=False)
        self.certificate = folder / "company-ca.pem"
        self._key = folder / "company-ca.key"
        files = ("-keyout", str(self._key), "-out", str(self.certificate))
        _openssl("req", "-x509", *EC_KEY, *DAYS, "-subj", "/CN=company", *files)

    def issue(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """The files of a certificate and its key (PKCS #8); they belong to the folder's owner."""
        with tempfile.TemporaryDirectory() as scratch:
            key, request, extensions, certificate = (
                Path(scratch) / name for name in ("key", "request", "extensions", "certificate")
            )
            files = ("-keyout", str(key), "-out", str(request))
            _openssl("req", *EC_KEY, "-subj", f"/CN={names[0]}", *files)
            extensions.write_text(f"subjectAltName={','.join(map(_alternative, names))}\n")
            signed = ("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial")
            order = ("-in", str(request), "-extfile", str(extensions), "-out", str(certificate))
            _openssl("x509", "-req", *DAYS, *signed, *order)
            return (
                own_file(folder / "server.crt", certificate.read_bytes()),
                own_file(folder / "server.key", key.read_bytes()),
            )


def own_file(path: Path, content: bytes) -> Path:
    """Write a file that only the owner of its folder can read."""
    path.write_bytes(content)
    path.chmod(0o600)
    owner = path.parent.stat()
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
    return path


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(*arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout
