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

from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.products.overview import MAX_SIDE
from lc_assets.products.pages.layers import cell_means, confidence_colours, indexed_png
from lc_assets.products.season_map.dates import MapDate
from lc_assets.products.season_map.fusion import STABILITY_NODATA
from lc_assets.raster.cog import CONFIDENCE_NODATA
from lc_assets.raster.grid import Grid
from lc_assets.raster.mode import mode_nxn
from lc_assets.store.season_layout import MapLayout

_PICTURES_BYTES = 2_050_000
"""Largest total size of the pictures. base64 adds a third, and the page stays below 3 MB."""
_STEPS = (1, 2, 5, 10)
"""Steps to which percentages can be rounded."""
_EMPTY = 101
"""Palette index of no data in pictures of percentages."""


@dataclass(frozen=True)
class SeasonPictures:
    """Pictures with a palette, PNG.

    Attributes:
        grid: grid of the first four pictures.
        factor: pixels of the map per shown pixel, along an axis.
        classes: the palette indices are class codes.
        confidence, stability: the palette indices are percent, and 101 is no data.
        observations: the palette indices are dates, and `most` + 1 is no data.
        most: largest number of dates of a pixel, at least 1.
        step: step to which percentages are rounded.
        dates: the classes of each date that is shown.
        coarser: pixels of the other pictures per pixel of these, along an axis.
        dates_grid: their grid.
        confidence_counts, stability_counts: (101,) shown pixels per percent.
        observations_counts: (most + 1,) shown pixels per number of dates.
    """

    grid: Grid
    factor: int
    classes: bytes
    confidence: bytes
    stability: bytes
    observations: bytes
    most: int
    step: int
    dates: tuple[bytes, ...]
    coarser: int
    dates_grid: Grid
    confidence_counts: np.ndarray
    stability_counts: np.ndarray
    observations_counts: np.ndarray


def build_pictures(files: MapLayout, grid: Grid, overview: Grid, dates: Sequence[MapDate]) -> SeasonPictures:
    """Return the pictures of a map, together at most `_PICTURES_BYTES`.

    Args:
        files: the rasters of the map.
        grid, overview: grids of map and overview.
        dates: the dates; those with `codes` are shown.
    """
    step_of_overview = round(overview.resolution / grid.resolution)
    factor, path = (1, files.classified) if max(grid.shape) <= MAX_SIDE else (step_of_overview, files.overview)
    with rasterio.open(path, OVERVIEW_LEVEL="NONE") as dataset:
        codes = dataset.read(1)
    made = next(found for found in _versions(files, codes, factor) if found.size <= 2 * _PICTURES_BYTES // 3)
    shown = [date.codes for date in dates if date.codes is not None]
    least = max(1, made.factor // step_of_overview)
    pictures, times = None, 0
    while pictures is None:
        times += 1
        pictures = _coded(shown, least * times, _PICTURES_BYTES - made.size)
    return SeasonPictures(
        grid=grid.coarsened(made.factor) if made.factor > 1 else grid,
        factor=made.factor,
        classes=made.pictures[0],
        confidence=made.pictures[1],
        stability=made.pictures[2],
        observations=made.pictures[3],
        most=made.most,
        step=made.step,
        dates=tuple(pictures),
        coarser=step_of_overview * least * times // made.factor,
        dates_grid=overview.coarsened(least * times) if least * times > 1 else overview,
        confidence_counts=made.counts[0],
        stability_counts=made.counts[1],
        observations_counts=made.counts[2],
    )


@dataclass(frozen=True)
class _Version:
    factor: int
    step: int
    most: int
    pictures: tuple[bytes, bytes, bytes, bytes]
    counts: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def size(self) -> int:
        return sum(map(len, self.pictures))


def _versions(files: MapLayout, codes: np.ndarray, factor: int) -> Iterator[_Version]:
    """Yield the pictures of the map, from the best to ever smaller ones: percentages are rounded before the pictures
    get coarser."""
    for power in count():
        reduced, coarse = mode_nxn(codes, 2**power) if power else codes, factor * 2**power
        known = reduced != NO_DATA.code
        percents = [
            np.where(known & (values != nodata), np.minimum(values, 100), _EMPTY)
            for path, nodata in ((files.confidence, CONFIDENCE_NODATA), (files.stability, STABILITY_NODATA))
            for values in [cell_means(path, coarse, nodata, files.name)]
        ]
        dates = cell_means(files.observations, coarse, 0, files.name)
        known &= dates > 0
        most = int(dates[known].max()) if known.any() else 1
        seen = indexed_png(np.where(known, dates, most + 1).astype(np.uint8), [*number_colours(most), NO_DATA.rgb])
        classes = _class_png(reduced)
        confidence_counts, stability_counts = (
            np.bincount(values[values != _EMPTY], minlength=101) for values in percents
        )
        counts = (confidence_counts, stability_counts, np.bincount(dates[known], minlength=most + 1))
        for step in _STEPS:
            rounded = [
                np.where(values == _EMPTY, _EMPTY, np.minimum((values + step // 2) // step * step, 100))
                for values in percents
            ]
            confidence, stability = (
                indexed_png(values.astype(np.uint8), [*confidence_colours(), NO_DATA.rgb]) for values in rounded
            )
            yield _Version(coarse, step, most, (classes, confidence, stability, seen), counts)


def number_colours(most: int) -> list[tuple[int, ...]]:
    """Return the colours of the numbers from 0 to `most`: those of confidence from 0 to 100 percent."""
    colours = confidence_colours()
    return [colours[round(100 * number / most)] for number in range(most + 1)]


def _coded(shown: Sequence[np.ndarray], factor: int, max_bytes: int) -> list[bytes] | None:
    """Return pictures of classes, reduced by a factor; None if they have more than `max_bytes`."""
    pictures: list[bytes] = []
    for codes in shown:
        pictures.append(_class_png(mode_nxn(codes, factor) if factor > 1 else codes))
        if sum(map(len, pictures)) > max_bytes:
            return None
    return pictures


def _class_png(codes: np.ndarray) -> bytes:
    return indexed_png(codes, [c.rgb for c in ALL_CLASSES])
