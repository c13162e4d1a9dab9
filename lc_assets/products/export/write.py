"""Write a map of the store, of a scene or of a season, into a folder for other programs."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.errors import RasterioIOError
from rasterio.windows import Window

from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.landcover import ALL_CLASSES, CLASSES, NO_DATA
from lc_assets.inference.class_map import ClassMap, check_codes
from lc_assets.products.areas import AreaTable, PolygonPixels, filled_cells
from lc_assets.products.export.layout import ExportLayout
from lc_assets.products.export.picture import Source, write_picture
from lc_assets.products.export.qgis_project import project_file
from lc_assets.products.polygons import MIN_AREA, check_min_area, write_polygons
from lc_assets.raster.cog import PROBABILITY_NODATA, PROBABILITY_SCALE
from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import class_entries, write_legend
from lc_assets.raster.polygons import Polygons
from lc_assets.sentinel2.bands.raw_bands import RawBands
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import StorePath, gdal_path
from lc_assets.store.product_layout import pam_file, style_file
from lc_assets.store.season_layout import MapLayout

_ROWS = 512


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        files: the files that a person opens.
        without_picture: True if the project has no picture, because no scene's raw bands are in the store.
    """

    files: tuple[Path, ...]
    without_picture: bool


@dataclass(frozen=True)
class _Map:
    """A class map of the store, and the scenes that its picture can be made of."""

    layout: SceneLayout | MapLayout
    grid: Grid
    pixels: np.ndarray
    scenes: tuple[str, ...]


def export_map(
    store: Store,
    layout: SceneLayout | MapLayout,
    folder: Path,
    formats: Collection[str],
    min_area: float | None = None,
) -> Exported:
    """Write a map into a folder. Nothing is written if a file of one of these names is there already.

    Args:
        folder: where the files are written; it is created if necessary.
        formats: of `lc_assets.products.export.FORMATS`.
        min_area: area of the smallest polygon in hectares; None copies the polygons of a season map that has some, and
            uses `MIN_AREA` for other maps.

    Raises:
        StoreError: there is no such map, it cannot be read, or the folder cannot be written.
        LandCoverError: a file exists already.
        BadReference: the map is too large for polygons; see also `check_min_area`.
    """
    if min_area is not None:
        check_min_area(min_area)
    source = _open(layout)
    try:
        target = ExportLayout(layout.stem, folder.expanduser().resolve())
    except RuntimeError as error:  # an unknown user in `~user`, or links in a circle
        raise StoreError(f"{folder} is no path ({error})", remedy="name another folder (--to)") from None
    _refuse_to_overwrite(target, formats)
    without_picture = False
    with atomic_output(target.folder, item=layout.stem, asset="export", place="folder (--to)") as stage:
        staged = ExportLayout(layout.stem, stage)
        if {"gpkg", "geoparquet"} & set(formats):
            _write_polygons(source, staged, formats, min_area)
        if "csv" in formats:
            _write_areas(source, staged)
        if "qgz" in formats:
            without_picture = not _write_project(store, source, staged)
        _refuse_to_overwrite(target, formats)
    shown = {"gpkg": target.polygons, "geoparquet": target.polygons_parquet, "csv": target.areas, "qgz": target.project}
    return Exported(tuple(shown[name] for name in shown if name in formats), without_picture)


def _open(layout: SceneLayout | MapLayout) -> _Map:
    if isinstance(layout, SceneLayout):
        classes = ClassMap.open(layout)
        return _Map(layout, classes.grid, classes.pixels, (layout.item,))
    try:
        with rasterio.open(gdal_path(layout.classified)) as dataset:
            tags = dataset.tags()
            pixels = np.array([int(tags[f"PIXELS_{c.code}"]) for c in ALL_CLASSES])
            return _Map(layout, Grid.of(dataset), pixels, tuple(tags["SCENES"].split()))
    except (RasterioIOError, KeyError, ValueError):
        raise StoreError(
            "its class map is not in the store, or is damaged",
            season_map=layout.name,
            remedy="make it with `lc-assets map`",
        ) from None


def _refuse_to_overwrite(target: ExportLayout, formats: Collection[str]) -> None:
    rasters = (target.classified, target.confidence, target.picture)
    files: dict[str, Sequence[StorePath]] = {
        "gpkg": [target.polygons],
        "geoparquet": [target.polygons_parquet],
        "csv": [target.areas],
        "qgz": [target.project, *rasters, pam_file(target.classified), style_file(target.classified)],
    }
    there = [path for name in formats for path in files[name] if path.exists()]
    if there:
        raise LandCoverError(
            f"{there[0]} exists already", item=target.name, remedy="choose another folder (--to), or remove that file"
        )


def _write_polygons(source: _Map, staged: ExportLayout, formats: Collection[str], min_area: float | None) -> None:
    """Copy the polygons of a season map that has them, and make those of other maps, or of a given smallest area."""
    layout = source.layout
    wanted = {"gpkg": staged.polygons, "geoparquet": staged.polygons_parquet}
    wanted = {name: path for name, path in wanted.items() if name in formats}
    if min_area is None and isinstance(layout, MapLayout) and layout.polygons.exists():
        made = {"gpkg": layout.polygons, "geoparquet": layout.polygons_parquet}
        for name, path in wanted.items():
            _copy(made[name], path)
        return
    rasters = (gdal_path(layout.classified), gdal_path(layout.confidence))
    write_polygons(wanted.get("gpkg"), wanted.get("geoparquet"), *rasters, MIN_AREA if min_area is None else min_area)


def _write_areas(source: _Map, staged: ExportLayout) -> None:
    if isinstance(source.layout, MapLayout):
        _copy(source.layout.areas, staged.areas)
    else:
        table = _areas_of_scene(source, ClassMap.open(source.layout))
        staged.areas.write_text(table.csv((source.layout.item,), source.grid.pixel_area), encoding="utf-8")


def _areas_of_scene(source: _Map, classes: ClassMap) -> AreaTable:
    """Count a scene as one area. A map of windows has no probabilities, so nothing is expected."""
    table, grid = AreaTable.empty(1), source.grid
    if classes.probabilities is None:
        table.counted[0] = classes.pixels
        for values in (table.expected, table.low, table.high):
            values[:] = np.nan
        return table
    area = Polygons((source.layout.stem,), np.array([shapely.box(*grid.bounds)]), grid.crs)
    step = int(classes.tags["STRIDE"])
    with (
        rasterio.open(gdal_path(classes.path)) as codes,
        rasterio.open(gdal_path(classes.probabilities)) as probabilities,
    ):
        for window in grid.strips(_ROWS // step * step):
            first, count = window.row_off // step, -(-window.height // step)
            above = min(first, 1)
            rimmed = Window(0, first - above, probabilities.width, min(count + 2, probabilities.height - first + above))
            read = probabilities.read(window=rimmed)
            likely = filled_cells(np.where(read == PROBABILITY_NODATA, 0, read) * np.float32(PROBABILITY_SCALE))
            likely = likely[:, above : above + count]
            # Cells at the right and lower edge may extend beyond the map.
            whole = np.full((likely.shape[1] * step, likely.shape[2] * step), NO_DATA.code, np.uint8)
            inside = codes.read(1, window=window)
            check_codes(inside, classes.path)
            whole[: window.height, : window.width] = inside
            pixels = PolygonPixels.of(area, grid.part(Window(0, window.row_off, *whole.shape[::-1])))
            table.add(AreaTable.of(pixels, whole, likely))
    assert len(likely) == len(CLASSES)
    return table


def _write_project(store: Store, source: _Map, staged: ExportLayout) -> bool:
    """Write the project and its rasters; return whether it has a picture."""
    for original, copy in (
        (source.layout.classified, staged.classified),
        (source.layout.confidence, staged.confidence),
    ):
        _copy(original, Path(str(copy)))
    entries = class_entries(source.pixels, source.grid.pixel_area)
    write_legend(
        entries, staged.folder / pam_file(staged.classified).name, staged.folder / style_file(staged.classified).name
    )
    scenes = _scenes_with_bands(store, source)
    if scenes:
        write_picture(staged.picture, source.grid, scenes)
    staged.project.write_bytes(project_file(staged, source.grid, entries, bool(scenes)))
    return bool(scenes)


def _scenes_with_bands(store: Store, source: _Map) -> list[Source]:
    """Return the scenes whose raw bands are in the store, the one that sees the most ground first."""
    found = []
    for item in source.scenes:
        with suppress(StoreError):
            layout = store.scene(item)
            found.append(Source(RawBands.open(layout.raw_bands, item), ClassMap.open(layout)))
    return sorted(found, key=lambda each: each.classes.share(NO_DATA.code))


def _copy(source: StorePath, target: Path) -> None:
    with source.open("rb") as original, target.open("wb") as copy:
        shutil.copyfileobj(original, copy)
