"""The raw bands of a scene in the store: the unchanged source files, or a part of each, checked and described by a
manifest."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import StoreError, naming
from lc_assets.core.progress import ByteProgress, notify
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.core.urls import is_remote
from lc_assets.remote.download import LARGEST, Download, FetchResult, RetryNotice, format_delays
from lc_assets.remote.partial_file import CachedFile, link_or_copy
from lc_assets.remote.threads import run_parallel
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.sentinel2.bands.local_copy import fetch_local
from lc_assets.sentinel2.bands.part_edges import has_open_zeros
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.bands.verify import BandFile, check_band_files, verify_download
from lc_assets.sentinel2.item.declared import DeclaredAsset
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.store.layout import ITEM_FILE, MANIFEST_FILE
from lc_assets.store.object_path import Status
from lc_assets.store.paths import StorePath, list_files, reading

if TYPE_CHECKING:
    from lc_assets.raster.polygons import Polygons


@dataclass(frozen=True)
class RawBands:
    """A complete folder of raw bands.

    Attributes:
        scene: the scene of the item that is stored with the bands.
        folder: the folder with the files.
        files: band name (and `SCL`) -> entry of the manifest: file name, size in bytes, SHA-256, unsigned href of the
            source, modification time (ns), and the ETag, where an HTTP server gave one. A part also has what was
            fetched of the source (`FetchResult.part`).
        part: which part of the scene the files contain; None means all of it.
    """

    scene: Scene
    folder: StorePath
    files: dict[str, dict[str, Any]]
    part: ScenePart | None = None

    @classmethod
    def open(cls, folder: StorePath, item: str) -> RawBands:
        """Read a folder's manifest and compare it with the files.

        Raises:
            StoreError: the folder is not complete, cannot be read, or a file was changed.
        """
        with naming(item, "raw_bands"), reading(folder):
            return cls._open(folder)

    @classmethod
    def _open(cls, folder: StorePath) -> RawBands:
        remedy = "materialise raw_bands of this item"
        try:
            manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
            files, part = manifest["files"], manifest.get("part")
            part = ScenePart.of_document(part) if part else None
            if not set(BAND_NAMES) <= {name for name, entry in files.items() if entry["file"] and entry["size"]}:
                raise KeyError
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            raise StoreError("its raw bands are not in the store", remedy=remedy) from None
        raw = cls(parse_scene(read_document(folder / ITEM_FILE)), folder, files, part)
        there = list_files(folder)
        for name, path in raw.paths.items():
            status = there.get(path.name)
            if status is None:
                raise StoreError(f"{path} is missing", asset=name, remedy=remedy)
            if status.st_size != files[name]["size"]:
                raise StoreError(
                    f"{path} has {status.st_size} bytes, the manifest says {files[name]['size']}",
                    asset=name,
                    remedy=remedy,
                )
            # Another modification time is accepted if the content is still the same.
            if (
                _is_touched(status, there[MANIFEST_FILE], files[name].get("modified"))
                and sha256_of(path) != files[name]["sha256"]
            ):
                raise StoreError(
                    f"{path} has been changed in place since it was fetched (where it is a link, at its source)",
                    asset=name,
                    remedy=f"{remedy} to take it as it is now",
                )
        return raw

    @property
    def paths(self) -> dict[str, StorePath]:
        """Band name -> path of its file."""
        return {name: self.folder / entry["file"] for name, entry in self.files.items()}

    @property
    def checksums(self) -> dict[str, str]:
        """Band name -> SHA-256 of its file, hex."""
        return {name: entry["sha256"] for name, entry in self.files.items()}

    def copy_of(self, name: str, href: str, part: ScenePart | None = None) -> CachedFile | None:
        """Return the present copy of the file at `href`, or of a part of it, with the ETag of the file; None where
        there is no copy or no ETag."""
        entry = self.files.get(name)
        if not entry or entry["href"] != href or self.part != part or not entry.get("etag"):
            return None
        return CachedFile(self.folder / entry["file"], entry["etag"], entry["size"], entry["sha256"])

    def stored(self, name: str, href: str) -> CachedFile | None:
        """Return the present copy of the whole file that was at `href`; None if there is none."""
        entry = self.files.get(name)
        if not entry or entry["href"] != href or self.part:
            return None
        return CachedFile(self.folder / entry["file"], "", entry["size"], entry["sha256"])

    def checked(self) -> dict[str, BandFile]:
        """Check the band files and return them; see `lc_assets.sentinel2.bands.verify.check_band_files`."""
        return check_band_files(self.paths, self.scene.id)


def _is_touched(status: Status | None, manifest: Status, noted: int | None) -> bool:
    """True when a file may have been changed since it was fetched.

    On a disk, its modification time differs from the recorded one. In an object store, where files are written before
    the manifest, its time is later than that of the manifest.
    """
    if status is None or noted is None:
        return False
    return status.st_mtime_ns > manifest.st_mtime_ns if status.is_object else status.st_mtime_ns != noted


def fetch_scene(
    scene: Scene,
    stage: Path,
    incoming: Path,
    *,
    present: RawBands | None = None,
    retry_policy: RetryPolicy = DEFAULT_POLICY,
    area: Polygons | None = None,
    arrived: Callable[[], None] = lambda: None,
) -> dict[str, FetchResult]:
    """Fetch all bands (and SCL, if listed) into an empty folder, check them, then write the item and the manifest.

    Call it inside `exclusive`. Remote files are downloaded to `incoming` first and moved at the end. If the scene
    fails they stay there, and the next attempt, in this process or another, resumes the download.

    Args:
        scene: the scene to fetch.
        stage: the empty folder, on the same disk as `incoming`.
        incoming: folder for unfinished downloads.
        present: the complete folder that this scene has already. A file that is still the newest version, by the
            server's answer, is linked instead of downloaded, and so is one whose source is gone.
        retry_policy: limits of the requests.
        area: the area of the store, in degrees: only the part of each file around it is fetched and written.
        arrived: called when all files have arrived, before the downloaded ones leave `incoming`.

    Returns:
        Band name (and `SCL`) -> fetched file.

    Raises:
        BadItem: the scene does not touch the area.
        BadBand: a band is missing, broken, does not fit the others, or differs from what the item declares.
    """
    with naming(scene.id):
        parts = _fetch_parts(scene, area, stage, incoming, present, retry_policy) if area else None
        part, fetched = parts or (None, _fetch_whole(scene, stage, incoming, present, retry_policy))
    if gone := [name for name, got in sorted(fetched.items()) if got.origin == "stored"]:
        notify(f"{scene.id}: gone at the source, so the files in the store are used: {', '.join(gone)}")
    arrived()
    for name in [] if part else _remote(scene):
        (incoming / f"{name}.tif").replace(stage / f"{name}.tif")
    shutil.rmtree(incoming, ignore_errors=True)
    check_band_files({name: stage / f"{name}.tif" for name in fetched}, scene.id)
    _write_json(stage / ITEM_FILE, scene.document)
    _write_manifest(stage, scene, fetched, part)
    return fetched


def _write_manifest(folder: Path, scene: Scene, fetched: dict[str, FetchResult], part: ScenePart | None) -> None:
    files = {
        name: {
            "file": f"{name}.tif",
            "size": got.size,
            "sha256": got.sha256,
            "href": scene.hrefs[name],
            "modified": (folder / f"{name}.tif").stat().st_mtime_ns,
            **({"etag": got.etag} if got.etag else {}),
            **({"part": got.part} if got.part else {}),
        }
        for name, got in sorted(fetched.items())
    }
    of_scene = {"part": part.document()} if part else {}
    _write_json(folder / MANIFEST_FILE, {"item": scene.id, **of_scene, "files": files})


def _fetch_whole(
    scene: Scene, stage: Path, incoming: Path, present: RawBands | None, retry_policy: RetryPolicy
) -> dict[str, FetchResult]:
    """Fetch all files: local ones to `stage`, the others to `incoming`."""
    remote, fetched = _remote(scene), {}
    for name in [name for name in scene.hrefs if name not in remote]:
        href, target = scene.hrefs[name], stage / f"{name}.tif"
        with naming(asset=name):
            stored = present.stored(name, href) if present and not Path(href).exists() else None
            if stored:
                link_or_copy(stored, target)
                fetched[name] = FetchResult(stored.size, stored.sha256, 0.0, origin="stored")
            else:
                fetched[name] = fetch_local(href, target)
    return fetched | (_download(scene, remote, incoming, present, retry_policy) if remote else {})


def _remote(scene: Scene) -> list[str]:
    """Return the names of the bands whose files are on a server."""
    return [name for name, href in sorted(scene.hrefs.items()) if is_remote(href)]


def _fetch_parts(
    scene: Scene, area: Polygons, stage: Path, incoming: Path, present: RawBands | None, retry_policy: RetryPolicy
) -> tuple[ScenePart, dict[str, FetchResult]] | None:
    """Fetch the part of each file; return None where all of the scene is needed."""
    # Of shapely, which costs a tenth of a second.
    from lc_assets.sentinel2.bands.part_files import PartCopy, fetch_parts

    kept_folder = incoming / "parts"
    unfinished, kept = _unfinished(kept_folder, scene), dict[str, FetchResult]()

    def download(names: list[str]) -> dict[str, FetchResult]:
        return _download(scene, names, incoming, None, retry_policy)

    def copies(name: str, part: ScenePart) -> list[PartCopy]:
        return [
            PartCopy(copy, raw.files[name]["part"], origin)
            for raw, origin in ((present, "kept"), (unfinished, "resumed"))
            if raw and (copy := raw.copy_of(name, scene.hrefs[name], part))
        ]

    def keep(name: str, part: ScenePart, got: FetchResult) -> None:
        if got.origin == "kept" or not got.etag:
            return
        kept_folder.mkdir(parents=True, exist_ok=True)
        (kept_folder / f"{name}.tif").unlink(missing_ok=True)
        link_or_copy(CachedFile(stage / f"{name}.tif", got.etag, got.size, got.sha256), kept_folder / f"{name}.tif")
        kept[name] = got
        _write_manifest(kept_folder, scene, kept, part)

    parts = fetch_parts(scene, area, stage, incoming, download, copies, keep, retry_policy)
    if parts is not None and scene.offset == 0:
        part, fetched = parts
        bands = check_band_files({name: stage / f"{name}.tif" for name in fetched}, scene.id)
        if has_open_zeros(part, bands):
            notify(f"{scene.id} is fetched whole: what DN 0 means at the border of its part depends on the rest of it")
            for name in fetched:
                (stage / f"{name}.tif").unlink()
            return None
    return parts


def _unfinished(folder: Path, scene: Scene) -> RawBands | None:
    """Return the parts of bands that an attempt that failed has left in a folder."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return RawBands(scene, folder, dict(manifest["files"]), ScenePart.of_document(manifest["part"]))
    return None


def _download(
    scene: Scene, names: list[str], incoming: Path, present: RawBands | None, retry_policy: RetryPolicy
) -> dict[str, FetchResult]:
    """Download all files at the same time, each on its own thread: they wait for the network, not for the CPU."""
    incoming.mkdir(parents=True, exist_ok=True)
    stop = Event()
    delays: SimpleQueue[RetryNotice] = SimpleQueue()
    arrived = [0] * len(names)
    declared = [scene.declared.get(name) or DeclaredAsset() for name in names]
    sizes = [asset.size for asset in declared]
    progress = ByteProgress(sum(size or 0 for size in sizes) if all(sizes) else None)

    def one(number: int) -> FetchResult:
        name, asset = names[number], declared[number]

        def count(size: int) -> None:
            arrived[number] += size

        def check(path: Path, verified: bool) -> None:
            verify_download(name, path, asset, decode=not verified)

        transfer = Download(
            scene.hrefs[name],
            incoming / f"{name}.tif",
            name,
            retry_policy=retry_policy,
            stop=stop,
            size=asset.size,
            sha256=asset.sha256,
            md5=asset.md5,
            most=_most_bytes(asset),
            check=check,
            on_bytes=count,
            tell=delays.put,
        )
        return transfer.run(present.copy_of(name, scene.hrefs[name]) if present else None)

    def meanwhile() -> None:
        for line in format_delays([delays.get() for _ in range(delays.qsize())]):
            notify(line)
        progress.update(sum(arrived))

    results = run_parallel([partial(one, number) for number in range(len(names))], stop, meanwhile)
    return dict(zip(names, results, strict=True))


def _most_bytes(declared: DeclaredAsset) -> int:
    """Return an upper limit for the bytes of a file of the declared shape: its pixels, uncompressed, plus overviews and
    tables."""
    return min(LARGEST, 4 * math.prod(declared.shape) + (64 << 20)) if declared.shape else LARGEST


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
