"""Azure Blob Storage: Microsoft's own emulator, azurite, which verifies signatures, permissions and expiry."""

from __future__ import annotations

import base64
import contextlib
import http.client
import mimetypes
import secrets
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from loopback.programs import Program, azurite, free_port, node
from loopback.sas import account_sas, container_sas

ACCOUNT = "sentinel2l2a01"
DOMAIN = ".blob.core.windows.net"


class Blobs:
    """One storage account.

    Attributes:
        account: its name.
        host: its public host name, by which azurite tells the account as Azure does.
        address: where azurite listens.
    """

    def __init__(self, account: str = ACCOUNT) -> None:
        """Start azurite and wait for it.

        Raises:
            Missing: node or azurite is not installed.
        """
        programs = [node(), str(azurite())]
        self.account = account
        self.host = account + DOMAIN
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._folder = tempfile.TemporaryDirectory(prefix="rig-blobs-", ignore_cleanup_errors=True)
        self._lock = threading.Lock()
        self._containers: set[str] = set()
        self._with_md5: set[str] = set()
        self._master = account_sas(account, self._key)
        port = free_port()
        command = [*programs, "--blobHost", "127.0.0.1", "--blobPort", str(port)]
        command += ["--location", self._folder.name, "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        folder = Path(self._folder.name)
        environment = {"AZURITE_ACCOUNTS": f"{account}:{self._key}"}
        self._program = Program([*command, "--loose"], port, folder, environment=environment).wait()
        self.address = ("127.0.0.1", port)
        self._connection = http.client.HTTPConnection(*self.address, timeout=60)

    def stop(self) -> None:
        """End azurite and forget all blobs."""
        self._connection.close()
        self._program.stop()
        self._folder.cleanup()

    def url(self, path: str) -> str:
        """The public, unsigned URL of `container/name`."""
        return f"https://{self.host}/{quote(path)}"

    def put(self, path: str, content: bytes, *, md5: bool = False) -> str:
        """Create or replace a blob.

        Args:
            path: `container/name`, or the blob's public URL.
            content: its bytes.
            md5: whether the service will tell the blob's Content-MD5. It does for blobs uploaded in one request; large
                ones, uploaded in blocks, have none.

        Returns:
            Its public URL.
        """
        path = _path(path)
        container = path.partition("/")[0]
        kind = {"x-ms-blob-content-type": mimetypes.guess_type(path)[0] or "application/octet-stream"}
        with self._lock:
            if container not in self._containers:
                self._ask("PUT", f"{container}?restype=container", b"", {}, known=(409,))
                self._containers.add(container)
            (self._with_md5.add if md5 else self._with_md5.discard)(path)
            if md5:
                self._ask("PUT", quote(path), content, {"x-ms-blob-type": "BlockBlob", **kind})
            else:
                block = base64.b64encode(b"0").decode()
                if content:
                    self._ask("PUT", f"{quote(path)}?comp=block&blockid={quote(block)}", content, {})
                    blocks = f"<Uncommitted>{block}</Uncommitted>"
                else:
                    blocks = ""
                listed = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'
                self._ask("PUT", f"{quote(path)}?comp=blocklist", listed.encode(), kind)
        return self.url(path)

    def tells_md5(self, path: str) -> bool:
        """Whether the blob at a request's path was put with its MD5."""
        return unquote(path).lstrip("/") in self._with_md5

    def delete(self, path: str) -> None:
        """Delete a blob (`container/name`, or its URL) that is there."""
        with self._lock:
            self._ask("DELETE", quote(_path(path)), b"", {})

    def sas(self, container: str, seconds: float) -> str:
        """A token for reading and listing a container, for so many seconds from now (negative: it has expired)."""
        return container_sas(self.account, self._key, container, "rl", seconds)

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str], known: tuple[int, ...] = ()) -> None:
        url = f"/{target}{'&' if '?' in target else '?'}{self._master}"
        headers = {"Host": self.host, "x-ms-version": "2021-06-08", **headers}
        try:
            self._connection.request(method, url, body, headers)
            response = self._connection.getresponse()
        except (http.client.HTTPException, OSError):  # azurite ends idle connections after five seconds
            self._connection.close()
            self._connection.request(method, url, body, headers)
            response = self._connection.getresponse()
        said = response.read()
        if response.status >= 300 and response.status not in known:
            with contextlib.suppress(OSError):
                self._connection.close()
            raise RuntimeError(f"azurite: {method} {target}: {response.status} {said[:500]!r}")


def _path(path: str) -> str:
    """`container/name` of a public URL; unchanged if it is no URL."""
    return unquote(urlsplit(path).path).lstrip("/") if "://" in path else path
