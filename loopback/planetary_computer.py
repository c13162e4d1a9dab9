"""The Planetary Computer: its catalogue, its token service and its storage behind their public names."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loopback.blobs import Blobs
from loopback.relay import Relay
from loopback.stac_api import PUBLIC_HOST, PUBLIC_ROOT, StacApi
from loopback.wire import Answer, Backend, Request

_TOKENS = "/api/sas/v1/token/"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "pc_items"


class PlanetaryComputer:
    """All of it; a context manager.

    Attributes:
        relay: the proxy that clients go through.
        blobs: the storage account `sentinel2l2a01`.
        token_seconds: how long issued tokens claim to live.
        real_token_seconds: how long they do; None is as long as they claim.
        tokens_issued: all tokens, in order.
    """

    def __init__(self, *, token_seconds: float = 3600, real_token_seconds: float | None = None) -> None:
        self._seconds = (token_seconds, real_token_seconds)
        self.token_seconds, self.real_token_seconds = self._seconds
        self.tokens_issued: list[str] = []
        self._api: StacApi | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Start relay and storage.

        Raises:
            Missing: node or azurite is not installed.
        """
        self.blobs = Blobs()
        self._folder = tempfile.TemporaryDirectory(prefix="rig-")
        self.relay = Relay()
        self._authority = self.relay.write_authority(Path(self._folder.name) / "authority.pem")
        self.relay.add_host(PUBLIC_HOST, self._answer)
        self.relay.add_host(self.blobs.host, self._blob)

    def stop(self) -> None:
        """End all programs; what they kept is gone."""
        self.relay.stop()
        self.blobs.stop()
        if self._api:
            self._api.stop()
        self._folder.cleanup()

    def renew(self) -> None:
        """As after the start, but for blobs and items: no faults, no records, tokens that live an hour."""
        self.relay.clear()
        self.relay.forget()
        self.relay.add_host(PUBLIC_HOST, self._answer)
        self.relay.add_host(self.blobs.host, self._blob)
        self.tokens_issued = []
        self.token_seconds, self.real_token_seconds = self._seconds

    def __enter__(self) -> PlanetaryComputer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def api(self) -> StacApi:
        """The catalogue, started when it is first wanted.

        Raises:
            Missing: PostgreSQL, PostGIS or pgstac is not installed.
        """
        with self._starting:
            if self._api is None:
                self._api = StacApi()
                self._api.load(collection())
        return self._api

    @property
    def environment(self) -> dict[str, str]:
        """What makes clients (requests, urllib, curl, GDAL) go through the relay and trust it."""
        return self.relay.client_environment(self._authority)

    def publish(
        self, item: dict[str, Any] | Path | str, files: dict[str, Path] | None = None, *, md5: bool = False
    ) -> dict[str, Any]:
        """Upload an item's files to where its hrefs say, and load it into the catalogue.

        Args:
            item: an item of the Planetary Computer, or the path of its JSON.
            files: asset key -> file.
            md5: whether storage tells the files' Content-MD5.

        Returns:
            The item.
        """
        return self.publish_all([(item, files or {})], md5=md5)[0]

    def publish_all(
        self, scenes: Iterable[tuple[dict[str, Any] | Path | str, dict[str, Path]]], *, md5: bool = False
    ) -> list[dict[str, Any]]:
        """`publish` for many: the catalogue loads them in one go."""
        items = []
        for item, files in scenes:
            document = json.loads(Path(item).read_text()) if isinstance(item, Path | str) else deepcopy(item)
            for key, path in files.items():
                self.blobs.put(document["assets"][key]["href"], Path(path).read_bytes(), md5=md5)
            items.append(document)
        self.api.load(items=items)
        return items

    def token(self, container: str = "sentinel2-l2") -> str:
        """A token as the token service issues it."""
        seconds = self.token_seconds if self.real_token_seconds is None else self.real_token_seconds
        self.tokens_issued.append(self.blobs.sas(container, seconds))
        return self.tokens_issued[-1]

    def _blob(self, request: Request) -> Backend:
        # Azurite works out an MD5 for every small blob that it sends whole; Azure only knows those it was given.
        hide = frozenset() if self.blobs.tells_md5(request.path) else frozenset({"content-md5"})
        return Backend(self.blobs.address, hide=hide)

    def _answer(self, request: Request) -> Answer | Backend:
        if request.path.startswith(_TOKENS):
            account, _, container = request.path.removeprefix(_TOKENS).partition("/")
            if account != self.blobs.account or not container:
                return Answer.of_json({"detail": f"No collection found for {account}/{container}"}, 404)
            expiry = datetime.now(timezone.utc) + timedelta(seconds=self.token_seconds)
            return Answer.of_json({"msft:expiry": f"{expiry:%Y-%m-%dT%H:%M:%SZ}", "token": self.token(container)})
        if request.path.startswith(urlsplit(PUBLIC_ROOT).path):
            return self.api.backend
        return Answer.of_json({"statusCode": 404, "message": "Resource not found"}, 404)


def collection() -> dict[str, Any]:
    """The collection `sentinel-2-l2a`: the real one where ../shared is there, else its bones."""
    path = SHARED / "collection.json"
    if path.exists():
        return json.loads(path.read_text())
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": "sentinel-2-l2a",
        "title": "Sentinel-2 Level-2A",
        "description": "Bones of the Planetary Computer's collection",
        "license": "proprietary",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2015-06-27T10:25:31Z", None]]},
        },
        "links": [],
    }
