"""Change between two season maps: which class became which, where both maps are sure enough.

Two maps differ without any change on the ground, because they are made of other dates. So a pixel counts as changed
only where both maps are sure, and a third map of the first period (`baseline`) measures how much such maps differ.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.vrt import WarpedVRT

from lc_assets.core.errors import BadReference, StoreError
from lc_assets.core.landcover import CLASSES, NO_DATA, LandCover
from lc_assets.products.areas import PolygonPixels
from lc_assets.products.csv_text import csv_text
from lc_assets.raster.cog import code_cog
from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import Entry, write_legend
from lc_assets.raster.polygons import Polygons, read_polygons
from lc_assets.store.atomic import atomic_output
from lc_assets.store.layout import Store
from lc_assets.store.paths import gdal_path, reading
from lc_assets.store.product_layout import pam_file, style_file
from lc_assets.store.season_layout import ChangeLayout, MapLayout

SAME, UNSURE, NOTHING = 100, 101, 255
"""Codes of pixels whose class is the same, that differ but are not sure enough, and that one map does not have. The
code of a transition is ten times the class before, plus the class after."""
_ROWS = 512
_GREY = {SAME: (236, 236, 236, 255), UNSURE: (190, 190, 190, 255), NOTHING: (0, 0, 0, 0)}


class MapModel(NamedTuple):
    """The model of a map: its name and version, and the fingerprint of its weights and contract."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Change:
    """What a comparison found.

    Attributes:
        pixels: (256,) pixels of each code, inside the area of the first map.
        pixel_area: area of a pixel in hectares.
        share: share of the pixels where both maps are sure that changed; None without such pixels.
        baseline: the same share between the first map and the baseline; None without such pixels or a baseline.
        shared: number of scenes that the first map and the baseline have both.
        models: the models of the maps: before, after, baseline.
    """

    layout: ChangeLayout
    pixels: np.ndarray
    pixel_area: float
    share: float | None
    baseline: float | None
    shared: int
    models: tuple[MapModel, ...]

    @property
    def changed(self) -> int:
        """Number of pixels that count as changed."""
        return int(self.pixels[:SAME].sum())

    @property
    def transitions(self) -> list[tuple[LandCover, LandCover, int]]:
        """Class before, class after, pixels; the largest first."""
        found = [(CLASSES[code // 10], CLASSES[code % 10], int(self.pixels[code])) for code in range(SAME)]
        return sorted((row for row in found if row[2]), key=lambda row: -row[2])

    def csv(self) -> str:
        """Return the table as CSV: a row for each transition, then what is the same, not sure, or in one map only."""
        counts = [(before.name, after.name, pixels) for before, after, pixels in self.transitions]
        for code, word in ((SAME, "unchanged"), (UNSURE, "not sure"), (NOTHING, "no data")):
            counts.append((word, "", int(self.pixels[code])))
        rows = [(before, after, pixels, f"{pixels * self.pixel_area:.2f}") for before, after, pixels in counts]
        return csv_text([("before", "after", "pixels", "hectares"), *rows])


def compare_maps(store: Store, before: str, after: str, *, sure: int, baseline: str | None = None) -> Change:
    """Compare two season maps on the grid of the first one, and write the result into the store.

    Args:
        before, after: names of the maps.
        sure: least confidence of both maps, in percent.
        baseline: name of another map of the first period.

    Raises:
        BadReference: a name is not that of a map, or is given twice, `sure` is out of range, or the maps do not
            overlap.
        StoreError: the store cannot be written.
    """
    if baseline == "":
        raise BadReference("the name of the baseline is empty", remedy="name a map, or leave out --baseline")
    if not 0 <= sure <= 100:
        raise BadReference(f"a confidence of {sure} percent is not possible", remedy="give 0 to 100")
    names = (before, after, *([baseline] if baseline else []))
    if len({*names}) < len(names):
        raise BadReference(
            f"a map is compared with itself: {', '.join(names)}",
            remedy="name two maps, and a third one of other dates of the first period as the baseline",
        )
    layouts = [store.map(name) for name in names]
    layout = store.change(before, after)
    pixels = np.zeros(256, np.int64)
    sure_pixels, differing = np.zeros((2, 2), np.int64)
    with ExitStack() as files:
        first = _Map(files, layouts[0], None)
        grid = first.grid
        maps = [first, *(_Map(files, each, grid) for each in layouts[1:])]
        palette = {code: (*CLASSES[code % 10].rgb, 255) for code in range(SAME)} | _GREY
        legend = {code: f"{CLASSES[code // 10].title} to {CLASSES[code % 10].title}" for code in range(SAME)}
        legend |= {SAME: "unchanged", UNSURE: "not sure"}
        area = _area(layouts[0]).to(grid.crs)
        tags = {"BEFORE": before, "AFTER": after, "SURE_PERCENT": str(sure)}
        tags |= {"BEFORE_MODEL": first.model.name, "AFTER_MODEL": maps[1].model.name}
        with atomic_output(layout.folder, item=layout.name, asset="change", last=layout.table.name) as stage:
            with code_cog(stage / layout.transitions.name, grid, tags, "change", legend, palette, NOTHING) as dataset:
                for window in grid.strips(_ROWS):
                    read = [each.read(window) for each in maps]
                    codes = _transitions(*read[0], *read[1], sure)
                    dataset.write(codes, 1, window=window)
                    inside = PolygonPixels.of(area, grid.part(window)).inside | (codes != NOTHING)
                    pixels += np.bincount(codes[inside], minlength=256)
                    for number, other in enumerate(read[1:]):
                        both = _sure(*read[0], sure) & _sure(*other, sure)
                        sure_pixels[number] += both.sum()
                        differing[number] += (both & (read[0][0] != other[0])).sum()
            if pixels[:NOTHING].sum() == 0:
                raise BadReference(
                    f"no pixel has a class in both maps: {before} and {after} do not overlap, or are No Data",
                    remedy="compare maps of one area",
                )
            shares = [float(d / n) if n else None for d, n in zip(differing, sure_pixels, strict=True)]
            shared = len(first.scenes & maps[2].scenes) if baseline else 0
            models = tuple(each.model for each in maps)
            found = Change(layout, pixels, grid.pixel_area, shares[0], shares[1], shared, models)
            # Most of the hundred transitions do not occur.
            entries = [
                Entry(code, name, palette[code], float(pixels[code]) * grid.pixel_area)
                for code, name in legend.items()
                if pixels[code]
            ]
            raster = stage / layout.transitions.name
            write_legend(entries, pam_file(raster), style_file(raster))
            (stage / layout.table.name).write_text(found.csv(), encoding="utf-8")
    return found


def _area(layout: MapLayout) -> Polygons:
    try:
        return read_polygons(layout.area.read_bytes(), layout.area.name)
    except (OSError, BadReference) as error:
        reason = error.problem if isinstance(error, BadReference) else error.strerror
        raise StoreError(
            f"{layout.area.name} cannot be read ({reason})",
            season_map=layout.name,
            remedy="make the map again with `lc-assets map`",
        ) from None


class _Map:
    """Classes and confidence of a map on a grid."""

    def __init__(self, files: ExitStack, layout: MapLayout, grid: Grid | None):
        try:
            opened = [files.enter_context(rasterio.open(gdal_path(p))) for p in (layout.classified, layout.confidence)]
        except RasterioIOError as error:
            with reading(layout.catalog):
                there = layout.catalog.exists()
            problem = f"it cannot be read ({str(error)[:100]})" if there else "there is no such map in the store"
            raise StoreError(problem, season_map=layout.name, remedy="make it with `lc-assets map`") from None
        self._name = layout.name
        tags = opened[0].tags()
        self.scenes = {*tags.get("SCENES", "").split()}
        self.model = MapModel(tags.get("MODEL", "an unknown model"), tags.get("MODEL_FINGERPRINT", ""))
        self.grid = grid or Grid.of(opened[0])
        if Grid.of(opened[0]) != Grid.of(opened[1]):
            raise StoreError(
                f"{layout.classified.name} and {layout.confidence.name} do not belong together",
                season_map=layout.name,
                remedy="make the map again with `lc-assets map`",
            )
        if grid:
            opened = [
                files.enter_context(WarpedVRT(dataset, resampling=Resampling.nearest, **grid.profile))
                for dataset in opened
            ]
        self._rasters = opened

    def read(self, window: rasterio.windows.Window) -> tuple[np.ndarray, np.ndarray]:
        """Return the class codes and the confidence in percent, uint8."""
        try:
            classes, confidence = (dataset.read(1, window=window) for dataset in self._rasters)
        except (RasterioError, CPLE_BaseError) as error:
            raise StoreError(
                f"it cannot be read ({str(error)[:100]})", season_map=self._name, remedy="make it with `lc-assets map`"
            ) from None
        return classes, confidence


def _sure(classes: np.ndarray, confidence: np.ndarray, sure: int) -> np.ndarray:
    found: np.ndarray = (classes != NO_DATA.code) & (confidence >= sure)
    return found


def _transitions(
    before: np.ndarray, confidence_before: np.ndarray, after: np.ndarray, confidence_after: np.ndarray, sure: int
) -> np.ndarray:
    codes = np.where(before == after, SAME, 10 * before.astype(np.uint16) + after)
    both_sure = _sure(before, confidence_before, sure) & _sure(after, confidence_after, sure)
    codes = np.where((before != after) & ~both_sure, UNSURE, codes)
    codes[(before == NO_DATA.code) | (after == NO_DATA.code)] = NOTHING
    out: np.ndarray = codes.astype(np.uint8)
    return out
