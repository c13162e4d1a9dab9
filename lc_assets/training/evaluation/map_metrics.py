"""Metrics of a class map against a reference of land-cover groups, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lc_assets.core.landcover import CLASS_NAMES

GROUPS = ("water", "trees", "built", "crops", "grass or shrub", "bare")
"""Groups of classes; the position is the code. No class of the table belongs to `bare`, so it is not counted."""
UNKNOWN = 255
"""Code of a pixel without a group: No Data in a map, unknown in a reference."""
JUDGED = GROUPS[:5]
"""The groups that a map can contain."""
SMALL = ("water", "trees")
"""Groups whose small objects are counted."""
SMALL_PIXELS = (12, 400)
"""Smallest and largest number of pixels of a small object."""
BORDER = 2
"""Distance from a border, px, within which a pixel is near the border."""

_GROUP_OF_CLASS = {
    "AnnualCrop": "crops",
    "Forest": "trees",
    "HerbaceousVegetation": "grass or shrub",
    "Highway": "built",
    "Industrial": "built",
    "Pasture": "grass or shrub",
    "PermanentCrop": "crops",
    "Residential": "built",
    "River": "water",
    "SeaLake": "water",
}
_LEAST_PIXELS, _LEAST_SHARE = 100, 0.003
"""A group with fewer pixels than this, or than this share of the counted pixels, has no recall and no F1."""


@dataclass(frozen=True)
class MapMetrics:
    """The comparison of a map with a reference. All shares are 0..1.

    Attributes:
        pixels: number of pixels that are counted.
        right: share of the counted pixels with the group of the reference; None without pixels.
        near_borders: the same share of the pixels that are within `BORDER` px of a border between groups; None without
            such pixels.
        recall: group -> share of its pixels that the map has in this group. Only groups with enough pixels.
        f1: group -> harmonic mean of precision and recall, for the same groups.
        small: group -> (number of small objects found, number of small objects in the reference). An object is a
            connected part of `SMALL_PIXELS`; it is found if at least half of its pixels are right.
    """

    pixels: int
    right: float | None
    near_borders: float | None
    recall: dict[str, float]
    f1: dict[str, float]
    small: dict[str, tuple[int, int]]

    @property
    def mean_recall(self) -> float | None:
        """Mean of the recalls of all groups. All groups have the same weight."""
        return float(np.mean(list(self.recall.values()))) if self.recall else None


def groups_of(classes: np.ndarray) -> np.ndarray:
    """Return the group codes (uint8) of class codes; `UNKNOWN` for No Data."""
    lookup = np.full(256, UNKNOWN, np.uint8)
    lookup[: len(CLASS_NAMES)] = [GROUPS.index(_GROUP_OF_CLASS[name]) for name in CLASS_NAMES]
    found: np.ndarray = lookup[classes]
    return found


def compare_groups(groups: np.ndarray, reference: np.ndarray, counted: np.ndarray | None = None) -> MapMetrics:
    """Compare a map with a reference.

    Args:
        groups: (rows, columns) group codes of the map.
        reference: (rows, columns) group codes of the reference.
        counted: (rows, columns) bool, the pixels to count; all by default. Pixels that are bare or unknown in the
            reference are never counted.
    """
    known = reference < len(JUDGED)
    if counted is not None:
        known &= counted
    right = groups == reference
    border = _near_borders(reference) & known
    least = max(_LEAST_PIXELS, _LEAST_SHARE * known.sum())
    recall, f1, small = {}, {}, {}
    for code, name in enumerate(JUDGED):
        there, called = known & (reference == code), known & (groups == code)
        if there.sum() >= least:
            both = (there & called).sum()
            recall[name] = float(both / there.sum())
            f1[name] = float(2 * both / (there.sum() + called.sum()))
        if name in SMALL:
            small[name] = _small_objects(there, called)
    return MapMetrics(int(known.sum()), _share(right, known), _share(right, border), recall, f1, small)


def water_kinds(classes: np.ndarray, kinds: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the shares of River and SeaLake in a map for each kind of water of the reference.

    Args:
        classes: (rows, columns) class codes of the map.
        kinds: (rows, columns) class codes of the reference; pixels that are neither River nor SeaLake are not counted.

    Returns:
        Kind in the reference -> {"River": share, "SeaLake": share, "pixels": number}. Kinds without pixels are left
        out.
    """
    names = ("River", "SeaLake")
    codes = {name: CLASS_NAMES.index(name) for name in names}
    found = {}
    for kind in names:
        chosen = kinds == codes[kind]
        if chosen.any():
            shares = {name: float((classes[chosen] == codes[name]).mean()) for name in names}
            found[kind] = {**shares, "pixels": int(chosen.sum())}
    return found


def season_agreement(maps: list[np.ndarray]) -> float | None:
    """Return the mean share of dates on which a pixel has its most frequent group.

    It is 1 if all maps are equal, and at least one over the number of dates.

    Args:
        maps: (rows, columns) group codes of one place, one array per date. A pixel without data on any of the dates is
            not counted.
    """
    stack = np.stack(maps)
    stack = stack[:, (stack != UNKNOWN).all(axis=0)]
    if not stack.size:
        return None
    most = np.max([(stack == code).sum(axis=0) for code in range(len(GROUPS))], axis=0)
    return float(most.mean() / len(maps))


def _share(right: np.ndarray, chosen: np.ndarray) -> float | None:
    return float(right[chosen].mean()) if chosen.any() else None


def _near_borders(reference: np.ndarray) -> np.ndarray:
    side = 2 * BORDER + 1
    near: np.ndarray = ndimage.maximum_filter(reference, side) != ndimage.minimum_filter(reference, side)
    return near


def _small_objects(there: np.ndarray, called: np.ndarray) -> tuple[int, int]:
    labels, count = ndimage.label(there)
    size = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    right = np.bincount(labels[called], minlength=count + 1)[1:]
    small = (size >= SMALL_PIXELS[0]) & (size <= SMALL_PIXELS[1])
    return int((2 * right[small] >= size[small]).sum()), int(small.sum())
