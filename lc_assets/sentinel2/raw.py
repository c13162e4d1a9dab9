"""The raw bands of a scene on disk: fetched byte for byte, checked, and described by a manifest."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lc_assets.checksum import sha256_of
from lc_assets.errors import StoreError
from lc_assets.raster.check import BandFile, check_band_files
from lc_assets.sentinel2.bands import BAND_NAMES
from lc_assets.sentinel2.fetch import Fetched, fetch
from lc_assets.sentinel2.item import Scene, parse_scene, read_document

CONCURRENT_FETCHES = 4
MANIFEST = "manifest.json"
ITEM = "item.json"


@dataclass(frozen=True)
class RawBands:
    """A complete folder of raw bands.

    Attributes:
        scene: the item, as stored beside the bands.
        folder: where they lie.
        files: band name (and `SCL`) -> file name, size in bytes, SHA-256, unsigned href of the source, time of its last
            change (ns).
    """

    scene: Scene
    folder: Path
    files: dict[str, dict[str, Any]]

    @classmethod
    def open(cls, folder: Path, item: str) -> RawBands:
        """Read a folder's manifest and hold it against the files.

        Raises:
            StoreError: the folder is not complete.
        """
        remedy = "materialise raw_bands of this item"
        try:
            files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
            if not set(BAND_NAMES) <= {name for name, entry in files.items() if entry["file"] and entry["size"]}:
                raise KeyError
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise StoreError(
                "its raw bands are not in the store", item=item, asset="raw_bands", remedy=remedy
            ) from None
        raw = cls(parse_scene(read_document(folder / ITEM)), folder, files)
        for name, path in raw.paths.items():
            status = path.stat() if path.exists() else None
            found = status.st_size if status else None
            if found != files[name]["size"]:
                raise StoreError(
                    f"{path} has {found or 'no'} bytes, the manifest says {files[name]['size']}",
                    item=item,
                    asset=name,
                    remedy=remedy,
                )
            # A file that has been touched, or copied elsewhere, is as good as before if its content is.
            touched = status and status.st_mtime_ns != files[name].get("modified", status.st_mtime_ns)
            if touched and sha256_of(path) != files[name]["sha256"]:
                raise StoreError(
                    f"{path} has been changed in place since it was fetched (where it is a link, at its source)",
                    item=item,
                    asset=name,
                    remedy=f"{remedy} to take it as it is now",
                )
        return raw

    @property
    def paths(self) -> dict[str, Path]:
        """Band name -> local file."""
        return {name: self.folder / entry["file"] for name, entry in self.files.items()}

    def checked(self) -> dict[str, BandFile]:
        """The bands as checked files; see `lc_assets.raster.check.check_band_files`."""
        return check_band_files(self.paths, self.scene.id)


def fetch_scene(scene: Scene, folder: Path) -> dict[str, Fetched]:
    """Fetch all bands (and SCL, if listed) into an empty folder, check them, then write the item and the manifest.

    Raises:
        BadBand: a band is missing, broken, or does not fit the others.
    """

    def one(name: str) -> Fetched:
        return fetch(scene.hrefs[name], folder / f"{name}.tif", item=scene.id, asset=name)

    names = sorted(scene.hrefs)
    with ThreadPoolExecutor(CONCURRENT_FETCHES) as pool:
        fetched = dict(zip(names, pool.map(one, names), strict=True))
    check_band_files({name: folder / f"{name}.tif" for name in names}, scene.id)
    files = {
        name: {
            "file": f"{name}.tif",
            "size": fetched[name].size,
            "sha256": fetched[name].sha256,
            "href": scene.hrefs[name],
            "modified": (folder / f"{name}.tif").stat().st_mtime_ns,
        }
        for name in names
    }
    _write_json(folder / ITEM, scene.document)
    _write_json(folder / MANIFEST, {"item": scene.id, "files": files})
    return fetched


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
