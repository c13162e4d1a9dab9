"""Object stores on loopback: moto's server speaks S3, azurite speaks Azure's protocol. Real clients, real range
requests."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import secrets
import sys
import tempfile
import urllib.request
from pathlib import Path

from loopback.programs import Missing, Program, azurite, free_port, node
from loopback.sas import account_sas

BUCKET = "land-cover"


class S3:
    """moto's server with one bucket.

    Attributes:
        environment: what a client needs, by the names that AWS's own tools use.
        url: of a store in it.
    """

    def __init__(self, port: int | None = None) -> None:
        """Start it and make the bucket.

        Raises:
            Missing: moto is not installed.
        """
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
            raise Missing("needs moto's server (pip install '.[dev]')")
        self._folder = tempfile.TemporaryDirectory(prefix="rig-s3-", ignore_cleanup_errors=True)
        self.port = port or free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._program = Program(command, self.port, Path(self._folder.name)).wait()
        endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "rig",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
        }
        self.url = f"s3://{BUCKET}/maps"
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=20):
            pass

    def close(self) -> None:
        """As `stop`."""
        self.stop()

    def uploads(self) -> int:
        """Uploads in parts that were begun and neither finished nor given up."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{BUCKET}?uploads", timeout=20) as answer:
            return int(answer.read().count(b"<Upload>"))

    def stop(self) -> None:
        """End it and forget all objects."""
        self._program.stop()
        self._folder.cleanup()


class Azure:
    """azurite with one container; see `S3`."""

    ACCOUNT = "devaccount"

    def __init__(self) -> None:
        """Start it and make the container.

        Raises:
            Missing: node or azurite is not installed.
        """
        programs = [node(), str(azurite())]
        self._folder = tempfile.TemporaryDirectory(prefix="rig-azure-", ignore_cleanup_errors=True)
        self.port = free_port()
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        command = [*programs, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--silent"]
        command += ["--location", self._folder.name, "--disableTelemetry", "--skipApiVersionCheck", "--loose"]
        accounts = {"AZURITE_ACCOUNTS": f"{self.ACCOUNT}:{key}"}
        self._program = Program(command, self.port, Path(self._folder.name), environment=accounts).wait()
        endpoint = f"http://127.0.0.1:{self.port}/{self.ACCOUNT}"
        self.environment = {
            "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;AccountName={self.ACCOUNT};"
            f"AccountKey={key};BlobEndpoint={endpoint};"
        }
        self.url = f"az://{BUCKET}/maps"
        self._make_container(endpoint, key)

    def stop(self) -> None:
        """End it and forget all blobs."""
        self._program.stop()
        self._folder.cleanup()

    def _make_container(self, endpoint: str, key: str) -> None:
        url = f"{endpoint}/{BUCKET}?restype=container&{account_sas(self.ACCOUNT, key)}"
        request = urllib.request.Request(url, data=b"", method="PUT", headers={"x-ms-version": "2021-06-08"})
        with contextlib.closing(urllib.request.urlopen(request, timeout=20)):
            pass
