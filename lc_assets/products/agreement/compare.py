"""Compares a class map with a reference map, strip by strip: counts, sample, disagreement raster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from lc_assets.core.landcover import NO_DATA
from lc_assets.inference.class_map import ClassMap, check_codes
from lc_assets.products.agreement.crosswalk import Crosswalk
from lc_assets.products.agreement.estimators import Estimates, count_all, estimate_from_sample
from lc_assets.products.agreement.sampling import ReservoirSampler, Sample, allocate_samples
from lc_assets.products.agreement.warp import NO_REFERENCE, Reprojector
from lc_assets.raster.cog import STRIP_ROWS, code_cog
from lc_assets.store.paths import gdal_path

AGREE, DISAGREE, NOT_COMPARED = 0, 1, 2
LEGEND = {AGREE: "agree", DISAGREE: "disagree", NOT_COMPARED: "not scored"}
COLOURS = {AGREE: (196, 214, 226), DISAGREE: (176, 32, 56), NOT_COMPARED: (250, 250, 248)}
"""RGB. Agree and disagree differ in lightness, so colour-blind people can distinguish them."""


@dataclass(frozen=True)
class Comparison:
    """The counts of a comparison.

    Attributes:
        counts: (10, reference classes + 1) pixels by the map's code (rows) and the position in the crosswalk's
            reference classes (columns). The last column counts codes that the crosswalk does not list. Pixels without
            data on one side are not counted.
        map_nodata: number of pixels that are No Data in the map.
        reference_nodata: number of pixels that have a class in the map and no data in the reference.
        unlisted: codes of the reference that the crosswalk does not list.
        sample: (groups, groups) sampled pixels; rows are groups of the map, columns groups of the reference.
        samples: the sample of each group of the map; its values are positions as in `counts`.
    """

    crosswalk: Crosswalk
    counts: np.ndarray
    map_nodata: int
    reference_nodata: int
    unlisted: tuple[int, ...]
    sample: np.ndarray
    samples: tuple[Sample, ...]

    @property
    def matrix(self) -> np.ndarray:
        """(groups, groups) scored pixels; rows are groups of the map, columns groups of the reference."""
        return _grouped(self.crosswalk, self.counts)

    @property
    def compared(self) -> int:
        """Number of pixels with a class on both sides."""
        return int(self.counts.sum())

    @property
    def scored(self) -> int:
        """Number of pixels whose classes on both sides belong to a common group."""
        return int(self.matrix.sum())

    @property
    def full(self) -> Estimates:
        """Agreement over all scored pixels, without a sampling error."""
        return count_all(self.matrix)

    @property
    def estimates(self) -> Estimates:
        """Agreement estimated from the sample, with standard errors."""
        return estimate_from_sample(self.sample, self.matrix.sum(axis=1))


def compare(
    classes: ClassMap, warper: Reprojector, crosswalk: Crosswalk, target: Path, *, samples: int, seed: int
) -> Comparison:
    """Compare both maps, and write the disagreement raster (a COG on the map's grid with the codes of `LEGEND`).

    Args:
        warper: reads the reference on the map's grid.
        target: path of the disagreement raster, in a staging folder.
        samples: number of pixels to draw, see `lc_assets.products.agreement.sampling.allocate_samples`.

    Raises:
        BadBand: the reference cannot be read.
        StoreError: see `check_codes`.
    """
    map_groups, reference_groups = _groups(crosswalk)
    width = len(reference_groups)
    map_lookup, reference_lookup = _lookup(map_groups), _lookup(reference_groups)
    counts = np.zeros((NO_DATA.code, width), np.int64)
    sampler = ReservoirSampler(len(crosswalk.groups), samples, seed)
    map_nodata = reference_nodata = 0
    tags = {"ITEM_ID": classes.item, "CROSSWALK": crosswalk.name, "CROSSWALK_SHA256": crosswalk.sha256}
    palette = {code: (*rgb, 255) for code, rgb in COLOURS.items()}
    with (
        rasterio.open(gdal_path(classes.path), OVERVIEW_LEVEL="NONE") as source,
        code_cog(target, classes.grid, tags, "agreement", LEGEND, palette, NOT_COMPARED) as dataset,
    ):
        for window in classes.grid.strips(STRIP_ROWS):
            codes, positions = source.read(1, window=window), warper.read(window)
            check_codes(codes, classes.path)
            in_reference, in_map = positions != NO_REFERENCE, codes != NO_DATA.code
            map_group, reference_group = map_lookup[codes], reference_lookup[positions]
            both = in_map & in_reference
            pairs = codes[both].astype(np.int64) * width + positions[both]
            counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
            map_nodata += int((~in_map).sum())
            reference_nodata += int((in_map & ~in_reference).sum())
            scored = (map_group >= 0) & (reference_group >= 0)
            sampler.offer(np.where(scored, map_group, -1), positions, int(window.row_off))
            result = np.where(map_group == reference_group, AGREE, DISAGREE)
            dataset.write(np.where(scored, result, NOT_COMPARED).astype(np.uint8), 1, window=window)
    strata = _grouped(crosswalk, counts).sum(axis=1)
    drawn = tuple(sampler.draw(allocate_samples(strata, samples)))
    matrix = [np.bincount(reference_groups[part.values], minlength=len(strata)) for part in drawn]
    unlisted = tuple(sorted(warper.unlisted))
    return Comparison(crosswalk, counts, map_nodata, reference_nodata, unlisted, np.array(matrix, np.int64), drawn)


def _groups(crosswalk: Crosswalk) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each class of the map, and of each position of the reference; -1 without a group.

    The last position of the reference is that of the unlisted codes.
    """
    return crosswalk.group_of("map"), np.append(crosswalk.group_of("reference"), np.int16(-1))


def _lookup(groups: np.ndarray) -> np.ndarray:
    """Return (256,) groups as a lookup table for bytes, filled with -1."""
    return np.pad(groups, (0, 256 - len(groups)), constant_values=-1)


def _grouped(crosswalk: Crosswalk, counts: np.ndarray) -> np.ndarray:
    """Return (groups, groups) pixels: the counts by class, summed up by group."""
    size = len(crosswalk.groups)
    rows, columns = (np.eye(size, dtype=np.int64)[side] * (side >= 0)[:, None] for side in _groups(crosswalk))
    return np.asarray(rows.T @ counts @ columns)
