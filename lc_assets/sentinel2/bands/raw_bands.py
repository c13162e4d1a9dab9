"""The raw bands of a scene in the store: fetched byte for byte, checked, and described by a manifest."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

from filelock import FileLock, Timeout

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import StoreError
from lc_assets.core.progress import ByteProgress, notify
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.urls import is_remote
from lc_assets.remote.download import LARGEST, Download, RetryNotice, format_delays
from lc_assets.remote.partial_file import CachedFile
from lc_assets.remote.threads import run_parallel
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.local_copy import FetchResult, fetch_local, fetch_remote
from lc_assets.sentinel2.bands.verify import BandFile, check_band_files, verify_download
from lc_assets.sentinel2.item.declared import DeclaredAsset
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.store.lease import SECONDS as LEASE_SECONDS
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath, Status
from lc_assets.store.paths import StorePath, list_files

MANIFEST = "manifest.json"
ITEM = "item.json"
_OTHERS_SECONDS = 3600
"""Longest wait for another process that fetches the same scene."""


@dataclass(frozen=True)
class RawBands:
    """A complete folder of raw bands.

    Attributes:
        scene: the item, as stored beside the bands.
        folder: where they lie.
        files: band name (and `SCL`) -> file name, size in bytes, SHA-256, unsigned href of the source, time of its last
            change (ns), and the version (ETag) that an HTTP server gave it.
    """

    scene: Scene
    folder: StorePath
    files: dict[str, dict[str, Any]]

    @classmethod
    def open(cls, folder: StorePath, item: str) -> RawBands:
        """Read a folder's manifest and hold it against the files.

        Raises:
            StoreError: the folder is not complete.
        """
        remedy = "materialise raw_bands of this item"
        try:
            files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
            if not set(BAND_NAMES) <= {name for name, entry in files.items() if entry["file"] and entry["size"]}:
                raise KeyError
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            raise StoreError(
                "its raw bands are not in the store", item=item, asset="raw_bands", remedy=remedy
            ) from None
        except OSError as error:
            raise StoreError(
                f"{folder / MANIFEST} cannot be read ({error.strerror or error})",
                item=item,
                asset="raw_bands",
                remedy="look whether the store is there and lets you read, then run it again",
                transient=not isinstance(error, PermissionError),
            ) from None
        raw = cls(parse_scene(read_document(folder / ITEM)), folder, files)
        there = list_files(folder)
        for name, path in raw.paths.items():
            status = there.get(path.name)
            found = status.st_size if status else None
            if found != files[name]["size"]:
                raise StoreError(
                    f"{path} has {found or 'no'} bytes, the manifest says {files[name]['size']}",
                    item=item,
                    asset=name,
                    remedy=remedy,
                )
            # A file that has been touched, or copied elsewhere, is as good as before if its content is.
            if (
                _is_touched(status, there[MANIFEST], files[name].get("modified"))
                and sha256_of(path) != files[name]["sha256"]
            ):
                raise StoreError(
                    f"{path} has been changed in place since it was fetched (where it is a link, at its source)",
                    item=item,
                    asset=name,
                    remedy=f"{remedy} to take it as it is now",
                )
        return raw

    @property
    def paths(self) -> dict[str, StorePath]:
        """Band name -> its file."""
        return {name: self.folder / entry["file"] for name, entry in self.files.items()}

    def copy_of(self, name: str, href: str) -> CachedFile | None:
        """The copy of what lies at `href`, with the version that its server called it, where both are known."""
        entry = self.files.get(name)
        if not entry or entry["href"] != href or not entry.get("etag"):
            return None
        return CachedFile(self.folder / entry["file"], entry["etag"], entry["size"], entry["sha256"])

    def checked(self) -> dict[str, BandFile]:
        """The bands as checked files; see `lc_assets.sentinel2.bands.verify.check_band_files`."""
        return check_band_files(self.paths, self.scene.id)


def _is_touched(status: Status | None, manifest: Status, noted: int | None) -> bool:
    """Whether a file may have been changed since it was fetched: on a disk its time is another than the noted one; of
    an object, which is put before the manifest, the time is later than the manifest's."""
    if status is None or noted is None:
        return False
    return status.st_mtime_ns > manifest.st_mtime_ns if status.is_object else status.st_mtime_ns != noted


def fetch_scene(
    scene: Scene,
    stage: Path,
    incoming: Path,
    *,
    present: RawBands | None = None,
    retry_policy: RetryPolicy | None = None,
) -> dict[str, FetchResult]:
    """Fetch all bands (and SCL, if listed) into an empty folder, check them, then write the item and the manifest.

    To be called inside `alone`. What comes over the network lands in `incoming` first, where it stays when the scene
    fails: the next attempt, in this process or another, goes on from there. Then it is moved.

    Args:
        scene: what to fetch.
        stage: the empty folder, on the same disk as `incoming`.
        incoming: folder for what is under way.
        present: the complete folder that this scene has already: a file that the server still calls the newest version
            is linked instead of fetched.
        retry_policy: bounds of the network work.

    Raises:
        BadBand: a band is missing, broken, does not fit the others, or is not what the item promises.
    """
    names = sorted(scene.hrefs)
    remote = [name for name in names if is_remote(scene.hrefs[name])]
    fetched = {
        name: fetch_local(scene.hrefs[name], stage / f"{name}.tif", item=scene.id, asset=name)
        for name in names
        if name not in remote
    }
    if remote:
        incoming.mkdir(parents=True, exist_ok=True)
        fetched |= _download(scene, remote, incoming, present, retry_policy or DEFAULT_POLICY)
        for name in remote:
            (incoming / f"{name}.tif").replace(stage / f"{name}.tif")
        shutil.rmtree(incoming, ignore_errors=True)
    check_band_files({name: stage / f"{name}.tif" for name in names}, scene.id)
    files = {
        name: {
            "file": f"{name}.tif",
            "size": fetched[name].size,
            "sha256": fetched[name].sha256,
            "href": scene.hrefs[name],
            "modified": (stage / f"{name}.tif").stat().st_mtime_ns,
            **({"etag": fetched[name].etag} if fetched[name].etag else {}),
        }
        for name in names
    }
    _write_json(stage / ITEM, scene.document)
    _write_json(stage / MANIFEST, {"item": scene.id, "files": files})
    return fetched


def _download(
    scene: Scene, names: list[str], incoming: Path, present: RawBands | None, retry_policy: RetryPolicy
) -> dict[str, FetchResult]:
    """All remote files at once, each on a thread of its own: they wait for the network, not for the processor."""
    stop = Event()
    delays: SimpleQueue[RetryNotice] = SimpleQueue()
    arrived = [0] * len(names)
    promises = [scene.declared.get(name) or DeclaredAsset() for name in names]
    sizes = [promise.size for promise in promises]
    progress = ByteProgress(sum(size or 0 for size in sizes) if all(sizes) else None)

    def one(number: int) -> FetchResult:
        name, promise = names[number], promises[number]

        def count(size: int) -> None:
            arrived[number] += size

        def check(path: Path, verified: bool) -> None:
            verify_download(name, path, scene.id, promise, decode=not verified)

        transfer = Download(
            scene.hrefs[name],
            incoming / f"{name}.tif",
            scene.id,
            name,
            retry_policy=retry_policy,
            stop=stop,
            size=promise.size,
            sha256=promise.sha256,
            md5=promise.md5,
            most=_most_bytes(promise),
            check=check,
            on_bytes=count,
            tell=delays.put,
        )
        return fetch_remote(transfer, present.copy_of(name, scene.hrefs[name]) if present else None)

    def meanwhile() -> None:
        for line in format_delays([delays.get() for _ in range(delays.qsize())]):
            notify(line)
        progress.update(sum(arrived))

    results = run_parallel([partial(one, number) for number in range(len(names))], stop, meanwhile)
    return dict(zip(names, results, strict=True))


def _most_bytes(promise: DeclaredAsset) -> int:
    """What a file of the promised shape cannot have more of: its pixels, uncompressed, and room for overviews and
    tables."""
    return min(LARGEST, 4 * math.prod(promise.shape) + (64 << 20)) if promise.shape else LARGEST


@contextmanager
def alone(
    incoming: Path,
    item: str,
    shared: ObjectPath | None = None,
    *,
    wait: float = _OTHERS_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
) -> Iterator[Callable[[], None]]:
    """Let one process at a time fetch a scene, to the end; a second one waits for it, and then finds it all there.

    Args:
        incoming: the local folder of what is being fetched.
        item: STAC item id, for messages.
        shared: the lease that machines share, where the store is an object store: a lock on a disk binds one machine.
        wait: seconds to wait for another one, at most.
        lease_seconds: after so long without renewal the lease is free.

    Yields:
        What is to be called before each file is put: it raises StoreError where the lease has been lost meanwhile.

    Raises:
        StoreError: the other one takes too long, or the store cannot be written.
    """
    try:
        incoming.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as taken:
            taken.enter_context(FileLock(incoming.with_name(f"{incoming.name}.lock"), timeout=wait))
            check = _nothing
            if shared:
                check = taken.enter_context(lease(shared, wait=wait, seconds=lease_seconds)).ensure_held
            held = taken.pop_all()
    except (Timeout, TimeoutError):
        raise StoreError(
            f"another process has been fetching it for more than {wait:.0f} s",
            item=item,
            asset="raw_bands",
            remedy="look what that process does, then run it again",
            transient=True,
        ) from None
    except OSError as error:
        if shared and "://" not in str(error.filename or "://"):
            raise StoreError(
                f"{error.filename} cannot be written ({error.strerror or error})",
                item=item,
                asset="raw_bands",
                remedy="set LC_ASSETS_SCRATCH to a folder that you may write",
            ) from None
        denied = isinstance(error, PermissionError)
        raise StoreError(
            f"{error.filename or incoming} cannot be written ({error.strerror or error})",
            item=item,
            asset="raw_bands",
            remedy=f"check {'the credentials, and what they may do' if denied else 'the store'}, then run it again",
            transient=not denied,
        ) from None
    with held:
        yield check


def _nothing() -> None:
    """On a disk a lock cannot be lost."""


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
