"""A class map held against a reference, strip by strip: what is counted, the sample, the disagreement raster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from lc_assets.core.landcover import NO_DATA
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.agreement.crosswalk import Crosswalk
from lc_assets.products.agreement.estimators import Estimates, counted, estimated
from lc_assets.products.agreement.sampling import ReservoirSampler, Sample, allocated
from lc_assets.products.agreement.warp import NOT_KNOWN, Reprojector
from lc_assets.raster.cog import STRIP_ROWS, code_cog
from lc_assets.store.paths import gdal_path

AGREE, DISAGREE, NOT_COMPARED = 0, 1, 2
LEGEND = {AGREE: "agree", DISAGREE: "disagree", NOT_COMPARED: "not scored"}
COLOURS = {AGREE: (196, 214, 226), DISAGREE: (176, 32, 56), NOT_COMPARED: (250, 250, 248)}
"""A light and a dark tone: they differ in lightness, so to every eye."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison has counted.

    Attributes:
        crosswalk: by which.
        counts: (10, reference classes + 1) pixels by the map's code and the position in the crosswalk's reference
            classes, codes that it does not list last. Pixels that either side calls no data are not in it.
        map_nodata: pixels that the map calls No Data.
        reference_nodata: pixels that the map calls something and the reference does not.
        unlisted: codes met in the reference that the crosswalk does not list.
        sample: (groups, groups) sampled pixels, map down, reference across.
        drawn: the sample itself, per group of the map; its values are positions as in `counts`.
    """

    crosswalk: Crosswalk
    counts: np.ndarray
    map_nodata: int
    reference_nodata: int
    unlisted: tuple[int, ...]
    sample: np.ndarray
    drawn: tuple[Sample, ...]

    @property
    def matrix(self) -> np.ndarray:
        """(groups, groups) scored pixels, map down, reference across."""
        return _grouped(self.crosswalk, self.counts)

    @property
    def compared(self) -> int:
        """Pixels that both sides call something."""
        return int(self.counts.sum())

    @property
    def scored(self) -> int:
        """Those of them whose classes correspond to something on the other side."""
        return int(self.matrix.sum())

    @property
    def full(self) -> Estimates:
        """The figures over all scored pixels."""
        return counted(self.matrix)

    @property
    def estimates(self) -> Estimates:
        """The figures from the sample, with standard errors."""
        return estimated(self.sample, self.matrix.sum(axis=1))


def compare(
    classes: ClassMap, warper: Reprojector, crosswalk: Crosswalk, target: Path, *, samples: int, seed: int
) -> Comparison:
    """Compare, and write the disagreement raster (a COG on the map's grid, see `LEGEND`).

    Args:
        classes: the map.
        warper: the reference on its grid.
        crosswalk: how their legends relate.
        target: of the raster, in a staging folder.
        samples: pixels to draw in all, see `lc_assets.products.agreement.sampling.allocated`.
        seed: of the sample.

    Raises:
        BadBand: the reference cannot be read.
    """
    ours, theirs = _groups(crosswalk)
    width = len(theirs)
    groups_here, groups_there = _lookup(ours), _lookup(theirs)
    counts = np.zeros((NO_DATA.code, width), np.int64)
    sampler = ReservoirSampler(len(crosswalk.groups), samples, seed)
    map_nodata = reference_nodata = 0
    tags = {"ITEM_ID": classes.item, "CROSSWALK": crosswalk.name, "CROSSWALK_SHA256": crosswalk.sha256}
    palette = {code: (*rgb, 255) for code, rgb in COLOURS.items()}
    with code_cog(target, classes.grid, tags, "agreement", LEGEND, palette, NOT_COMPARED) as dataset:
        for window, codes in _strips(classes):
            place = warper.read(window)
            known, inside = place != NOT_KNOWN, codes != NO_DATA.code
            ours_here = groups_here[codes]
            theirs_here = groups_there[place]
            both = inside & known
            pairs = codes[both].astype(np.int64) * width + place[both]
            counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
            map_nodata += int((~inside).sum())
            reference_nodata += int((inside & ~known).sum())
            scored = (ours_here >= 0) & (theirs_here >= 0)
            sampler.offer(np.where(scored, ours_here, -1), place, int(window.row_off))
            verdict = np.where(ours_here == theirs_here, AGREE, DISAGREE)
            dataset.write(np.where(scored, verdict, NOT_COMPARED).astype(np.uint8), 1, window=window)
    strata = _grouped(crosswalk, counts).sum(axis=1)
    drawn = tuple(sampler.draw(allocated(strata, samples)))
    sample = np.array([np.bincount(theirs[part.values], minlength=len(strata)) for part in drawn], np.int64)
    return Comparison(crosswalk, counts, map_nodata, reference_nodata, tuple(sorted(warper.unlisted)), sample, drawn)


def _strips(classes: ClassMap) -> Iterator[tuple[Window, np.ndarray]]:
    with rasterio.open(gdal_path(classes.path), OVERVIEW_LEVEL="NONE") as dataset:
        for window in classes.grid.strips(STRIP_ROWS):
            yield window, dataset.read(1, window=window)


def _groups(crosswalk: Crosswalk) -> tuple[np.ndarray, np.ndarray]:
    """Group of each of the map's classes, and of each position of the reference (the last: unlisted); -1 is none."""
    return crosswalk.group_of("map"), np.append(crosswalk.group_of("reference"), np.int16(-1))


def _lookup(groups: np.ndarray) -> np.ndarray:
    """(256,) the same for every byte, -1 beyond."""
    return np.pad(groups, (0, 256 - len(groups)), constant_values=-1)


def _grouped(crosswalk: Crosswalk, counts: np.ndarray) -> np.ndarray:
    """Pixels by groups of both sides, of counts by classes."""
    size = len(crosswalk.groups)
    ours, theirs = (np.eye(size, dtype=np.int64)[side] * (side >= 0)[:, None] for side in _groups(crosswalk))
    return np.asarray(ours.T @ counts @ theirs)
