"""Fetch the part of each band file that a store with an area keeps, and write it as a COG of the same pixels.

A GeoTIFF on a server that answers range requests is read by ranges: its header, then the blocks with a pixel of the
part. All other files are fetched whole and cut: files of a local item, JPEG 2000 (its blocks can only be found by
reading the whole file), and files on a server that ignores ranges.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import Compression
from rasterio.errors import CRSError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import BadBand, naming
from lc_assets.core.progress import ByteProgress
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.core.urls import is_remote
from lc_assets.raster.cog import STRIP_ROWS, blockwise_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.polygons import Polygons
from lc_assets.remote.download import FetchResult
from lc_assets.remote.partial_file import CachedFile, link_or_copy
from lc_assets.remote.range_reader import NoRanges, RemoteFile
from lc_assets.remote.threads import run_parallel
from lc_assets.sentinel2.band_table import BAND_NAMES, PIXEL_SIZE, REFERENCE_BAND, SCL
from lc_assets.sentinel2.bands.local_copy import fetch_local
from lc_assets.sentinel2.bands.part_plan import area_near, part_around
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.bands.verify import (
    BandFile,
    blocks_of,
    check_congruent,
    check_dataset,
    check_declared,
    driver_of,
    inflate,
)
from lc_assets.sentinel2.item.scene import Scene

_HEADER = 1 << 16
"""Bytes of a request for the header. That of a band's COG, with its table of blocks, has 15 kB."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TRIES = 2
"""Blocks that arrive damaged this many times are damaged at their source."""

Download = Callable[[list[str]], dict[str, FetchResult]]
"""A function that downloads the files of bands whole, to a folder of its own."""


@dataclass(frozen=True)
class PartCopy:
    """A copy of a band's part that is there already.

    Attributes:
        file: the copy, with the ETag of its source.
        fetched: what was fetched of the source (`FetchResult.part`).
        origin: `kept` for a copy in the store, `resumed` for one of an attempt that failed.
    """

    file: CachedFile
    fetched: dict[str, Any]
    origin: str


Copies = Callable[[str, ScenePart], list[PartCopy]]
"""A function that returns the copies of a band's part that are there already."""
Keep = Callable[[str, ScenePart, FetchResult], None]
"""A function that keeps the part of a band, which was fetched and is in the folder `stage`, for a later attempt."""


@dataclass
class _Source:
    """A band file at its source: at a URL that is read by ranges, or whole on this machine."""

    name: str
    file: RemoteFile | None = None
    path: Path | None = None
    fetched: FetchResult | None = None


def fetch_parts(
    scene: Scene,
    area: Polygons,
    stage: Path,
    downloaded: Path,
    download: Download,
    copies: Copies,
    keep: Keep,
    retry_policy: RetryPolicy,
) -> tuple[ScenePart, dict[str, FetchResult]] | None:
    """Write the part of each band around an area to `stage`, as `<band>.tif`.

    Args:
        scene: the scene.
        area: the store's area, in degrees.
        stage: the empty folder.
        downloaded: folder to which `download` writes `<band>.tif`.
        download: downloads files that cannot be read by ranges.
        copies: finds what is there already.
        keep: keeps each part that was fetched, so that a later attempt finds it.
        retry_policy: limits of the requests.

    Returns:
        Which part of the scene it is, and band name -> what was fetched; None where the part is the whole scene.
        `stage` is empty then.

    Raises:
        BadItem: the area does not touch the scene.
        BadBand: a file is missing, damaged, or not what the item declares.
    """
    near = area_near(area, scene.document["geometry"])
    cut = stage / "whole"
    cut.mkdir()
    try:
        sources = _sources(scene, cut, downloaded, download, retry_policy)
        with _opened(scene, sources[REFERENCE_BAND]) as (_, band):
            reference = band.grid
        part = part_around(near, reference)
        if part.is_whole:
            return None
        arrived = 0
        progress = ByteProgress()
        fetched = {}
        for name in sorted(sources, key=(*BAND_NAMES, SCL).index):
            source = sources.pop(name)  # with the bytes that it keeps
            tell = partial(lambda before, received: progress.update(before + received), arrived)
            fetched[name] = _fetch(scene, source, reference, part, stage / f"{name}.tif", copies, tell)
            arrived += fetched[name].received
            keep(name, part, fetched[name])
        return part, fetched
    finally:
        shutil.rmtree(cut)


def _sources(
    scene: Scene, local: Path, downloaded: Path, download: Download, retry_policy: RetryPolicy
) -> dict[str, _Source]:
    """Find out how each file can be read, and fetch those whole that cannot be read by ranges."""
    files = {
        name: RemoteFile(href, retry_policy, piece=_HEADER, another="another item")
        for name, href in scene.hrefs.items()
        if is_remote(href)
    }
    stop = Event()
    readable = run_parallel([partial(_is_readable, name, file) for name, file in files.items()], stop)
    sources = {name: _Source(name, file) for (name, file), good in zip(files.items(), readable, strict=True) if good}
    whole = [name for name in files if name not in sources]
    for name, got in (download(whole) if whole else {}).items():
        sources[name] = _Source(name, path=downloaded / f"{name}.tif", fetched=got)
    for name in scene.hrefs.keys() - sources.keys():
        with naming(asset=name):
            got = fetch_local(scene.hrefs[name], local / f"{name}.tif")
        sources[name] = _Source(name, path=local / f"{name}.tif", fetched=got)
    return sources


def _is_readable(name: str, file: RemoteFile) -> bool:
    """Return True for a TIFF on a server that answers range requests."""
    with naming(asset=name):
        magic = file.read(0, 4)
        try:
            file.check()
        except NoRanges:
            return False
    return magic in _TIFF


def _fetch(
    scene: Scene,
    source: _Source,
    reference: Grid,
    part: ScenePart,
    target: Path,
    copies: Copies,
    meanwhile: Callable[[int], None],
) -> FetchResult:
    started = time.perf_counter()
    file = source.file
    for copy in copies(source.name, part):
        if file and copy.file.etag == file.etag and copy.file.is_whole():
            link_or_copy(copy.file, target)
            return _result(source, target, started, copy.origin, copy.fetched)
    with _opened(scene, source) as (dataset, band):
        check_congruent(band, reference)
        window = part.window(band.gsd // PIXEL_SIZE)
        with _reading(scene, source):
            ranges = [] if file is None else _fetch_blocks(dataset, file, window, meanwhile)
        _write(dataset, band, window, target, partial(_reading, scene, source))
        found = {
            "window": [window.col_off, window.row_off, window.width, window.height],
            "source_size": _size(source),
            **_what_was_fetched(source, ranges),
        }
    return _result(source, target, started, "part", found)


def _what_was_fetched(source: _Source, ranges: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the ranges of bytes of the source that were fetched, and the SHA-256 of all of them, one after the
    other."""
    if source.file is None:
        assert source.fetched
        return {"ranges": [[0, source.fetched.size]], "sha256": source.fetched.sha256}
    digest = hashlib.sha256()
    for begin, size in ranges:
        digest.update(source.file.read(begin, size))
    return {"ranges": [list(each) for each in ranges], "sha256": digest.hexdigest()}


def _result(source: _Source, target: Path, started: float, origin: str, found: dict[str, Any]) -> FetchResult:
    size, sha256, seconds = target.stat().st_size, sha256_of(target), time.perf_counter() - started
    file, whole = source.file, source.fetched
    if file:
        return FetchResult(size, sha256, seconds, file.etag, file.received, file.requests, origin, found)
    assert whole
    counts = (whole.etag, whole.received, whole.requests)
    return FetchResult(size, sha256, seconds + whole.seconds, *counts, origin, found)


def _fetch_blocks(
    dataset: DatasetReader, file: RemoteFile, window: Window, meanwhile: Callable[[int], None]
) -> list[tuple[int, int]]:
    """Fetch the blocks of a window, and return the ranges that they lie in.

    Raises:
        zlib.error: a block is damaged.
    """
    blocks = list(blocks_of(dataset, window))
    for number in range(1, _TRIES + 1):
        ranges = file.fetch(blocks, lambda: meanwhile(file.received))
        if dataset.compression != Compression.deflate:
            break
        try:
            inflate(dataset, blocks, file.read)
            break
        except zlib.error:
            if number == _TRIES:
                raise
    return ranges


def _write(
    dataset: DatasetReader,
    band: BandFile,
    window: Window,
    target: Path,
    reading: Callable[[], AbstractContextManager[None]],
) -> None:
    """Write a window of a raster as a COG with the same pixels, data type, nodata value and mask."""
    grid = band.grid.part(window)
    options: dict[str, Any] = {"predictor": 2 if dataset.dtypes[0] == "uint16" else 1}
    # The overview levels repeat single pixels: an average would mix the ground with pixels without data.
    with blockwise_cog(target, grid, dataset.dtypes[0], dataset.nodata, {}, overviews="NEAREST", **options) as written:
        for strip in grid.strips(STRIP_ROWS):
            place = Window(window.col_off, window.row_off + strip.row_off, strip.width, strip.height)
            with reading():
                values = dataset.read(1, window=place)
                mask = dataset.read_masks(1, window=place) if band.masked else None
            written.write(values, 1, window=strip)
            if mask is not None:
                written.write_mask(mask, window=strip)


@contextmanager
def _opened(scene: Scene, source: _Source) -> Iterator[tuple[DatasetReader, BandFile]]:
    """Open a band file at its source, and compare its header with what the item declares.

    Raises:
        BadBand: it cannot be read, or is not what the item declares.
    """
    with ExitStack() as stack:
        with _reading(scene, source):
            if source.file:  # a new name each time, because GDAL caches files by name
                name = f"{uuid4().hex}/{source.name}.tif"
                opened = rasterio.open(name, opener=source.file.opened, driver="GTiff")
            else:
                assert source.path
                opened = rasterio.open(source.path, driver=driver_of(source.path))
            dataset = stack.enter_context(opened)
            path = source.path or Path(f"{source.name}.tif")
            band = check_dataset(source.name, path, dataset, _size(source))
            declared = scene.declared.get(source.name)
            check_declared(band, declared)
            if declared and declared.size not in (None, _size(source)):
                raise BadBand(
                    f"it has {_size(source)} bytes, the item promises {declared.size}",
                    remedy="choose another item, or fetch this one again from its catalog",
                )
        yield dataset, band


@contextmanager
def _reading(scene: Scene, source: _Source) -> Iterator[None]:
    """Raise an error of the body, which only reads, as `BadBand`. A network error has priority, also if GDAL reports no
    error."""
    with naming(asset=source.name):
        try:
            yield
        except (RasterioIOError, CPLE_BaseError, CRSError, zlib.error):
            if source.file:
                source.file.check()
            raise BadBand(
                f"{scene.hrefs[source.name]} cannot be decoded: the file is damaged",
                remedy="choose another item, or get the whole file from its source",
            ) from None
        if source.file:
            source.file.check()


def _size(source: _Source) -> int:
    if source.file:
        return source.file.size
    assert source.fetched
    return source.fetched.size
