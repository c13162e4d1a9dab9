"""The pictures of a season map's report, with a limit on their total size.

Two thirds of the limit are for the map, its confidence, observations and stability, the rest for the dates. The
pictures of the dates may be coarser than the others, by a whole factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import rasterio

from lc_assets.core.landcover import NO_DATA
from lc_assets.products.overview import MAX_SIDE
from lc_assets.products.pages.layers import (
    PICTURES_BYTES,
    STEPS,
    cell_means,
    class_png,
    confidence_colours,
    indexed_png,
    percent_png,
)
from lc_assets.products.season_map.dates import MapDate
from lc_assets.products.season_map.fusion import STABILITY_NODATA
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.store.season_layout import MapLayout


@dataclass(frozen=True)
class MapPictures:
    """Pictures of the map: PNGs with a palette.

    Attributes:
        factor: pixels of the map per shown pixel, along an axis.
        step: step to which percentages are rounded.
        classes: the palette indices are class codes.
        confidence, stability: the palette indices are percent, and `PERCENT_EMPTY` is no data.
        observations: the palette indices are dates, and `most` + 1 is no data.
        most: largest number of dates of a pixel, at least 1.
        confidence_counts, stability_counts: (101,) shown pixels per percent.
        observations_counts: (most + 1,) shown pixels per number of dates.
    """

    factor: int
    step: int
    classes: bytes
    confidence: bytes
    stability: bytes
    observations: bytes
    most: int
    confidence_counts: np.ndarray
    stability_counts: np.ndarray
    observations_counts: np.ndarray

    @property
    def size(self) -> int:
        """Bytes of the four pictures."""
        return sum(map(len, (self.classes, self.confidence, self.stability, self.observations)))


@dataclass(frozen=True, kw_only=True)
class SeasonPictures(MapPictures):
    """Pictures of the map and of its dates.

    Attributes:
        grid: grid of the pictures of the map.
        dates: the classes of each date that is shown.
        dates_grid: grid of these pictures.
        coarser: pixels of the other pictures per pixel of these, along an axis.
    """

    grid: Grid
    dates: tuple[bytes, ...]
    dates_grid: Grid
    coarser: int


def build_pictures(files: MapLayout, grid: Grid, overview: Grid, dates: Sequence[MapDate]) -> SeasonPictures:
    """Return the pictures of a map, together at most `PICTURES_BYTES`.

    Args:
        files: the rasters of the map.
        grid, overview: grids of map and overview.
        dates: the dates; those with `codes` are shown.
    """
    step_of_overview = round(overview.resolution / grid.resolution)
    factor, path = (1, files.classified) if max(grid.shape) <= MAX_SIDE else (step_of_overview, files.overview)
    with rasterio.open(path, OVERVIEW_LEVEL="NONE") as dataset:
        codes = dataset.read(1)
    made = next(found for found in _versions(files, codes, factor) if found.size <= 2 * PICTURES_BYTES // 3)
    shown = [date.codes for date in dates if date.codes is not None]
    least = max(1, made.factor // step_of_overview)
    pictures, times = None, 0
    while pictures is None:
        times += 1
        pictures = _coded(shown, least * times, PICTURES_BYTES - made.size)
    return SeasonPictures(
        **vars(made),
        grid=grid.coarsened(made.factor) if made.factor > 1 else grid,
        dates=tuple(pictures),
        dates_grid=overview.coarsened(least * times) if least * times > 1 else overview,
        coarser=step_of_overview * least * times // made.factor,
    )


def _versions(files: MapLayout, codes: np.ndarray, factor: int) -> Iterator[MapPictures]:
    """Yield the pictures of the map, from the best to ever smaller ones: percentages are rounded before the pictures
    get coarser."""
    for power in count():
        reduced, coarse = mode_nxn(codes, 2**power) if power else codes, factor * 2**power
        has_class = reduced != NO_DATA.code
        confidence = cell_means(files.confidence, coarse, CONFIDENCE_NODATA, files.name)
        stability = cell_means(files.stability, coarse, STABILITY_NODATA, files.name)
        dates = cell_means(files.observations, coarse, 0, files.name)
        sure, agreeing = has_class & (confidence != CONFIDENCE_NODATA), has_class & (stability != STABILITY_NODATA)
        seen = has_class & (dates > 0)
        most = int(dates[seen].max()) if seen.any() else 1
        classes = class_png(reduced)
        palette = [*number_colours(most), NO_DATA.rgb]
        observations = indexed_png(np.where(seen, dates, most + 1).astype(np.uint8), palette)
        for step in STEPS:
            yield MapPictures(
                factor=coarse,
                step=step,
                classes=classes,
                confidence=percent_png(confidence, sure, step),
                stability=percent_png(stability, agreeing, step),
                observations=observations,
                most=most,
                confidence_counts=np.bincount(np.minimum(confidence[sure], 100), minlength=101),
                stability_counts=np.bincount(np.minimum(stability[agreeing], 100), minlength=101),
                observations_counts=np.bincount(dates[seen], minlength=most + 1),
            )


def number_colours(most: int) -> list[tuple[int, ...]]:
    """Return the colours of the numbers from 0 to `most`: those of confidence from 0 to 100 percent."""
    colours = confidence_colours()
    return [colours[round(100 * number / most)] for number in range(most + 1)]


def _coded(shown: Sequence[np.ndarray], factor: int, max_bytes: int) -> list[bytes] | None:
    """Return pictures of classes, reduced by a factor; None if they have more than `max_bytes`."""
    pictures: list[bytes] = []
    for codes in shown:
        pictures.append(class_png(mode_nxn(codes, factor) if factor > 1 else codes))
        if sum(map(len, pictures)) > max_bytes:
            return None
    return pictures
