"""The type for training tiles: chips and parts of scenes, with the classes of a reference model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from scipy import ndimage

from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.data.chips import CHIP, COVER_NAMES, Chips, no_cover

WATER = COVER_NAMES.index("water")
WET = round(0.65 * 255)
"""Probability of water, times 255, from which a pixel counts as water."""


@dataclass(frozen=True)
class Tiles:
    """Tiles of 64 px.

    Attributes:
        dn: (N, 64, 64, 12) uint16 DN without radiometric offset.
        labels: (N,) int64 class codes; `UNLABELLED` where a tile has none.
        cover: (N, 64, 64, 9) uint8, probability of each class of `COVER_NAMES` times 255; 0 where it is unknown.
        l2a: (N,) bool, true for L2A, false for L1C.
    """

    dn: np.ndarray
    labels: np.ndarray
    cover: np.ndarray
    l2a: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def with_water(self) -> np.ndarray:
        """Indices of the tiles with at least 10 % of water."""
        return np.flatnonzero(_water(self.cover).mean(axis=(1, 2)) >= 0.1)

    @cached_property
    def nearest_water(self) -> np.ndarray:
        """(len(with_water), 2, 64, 64) uint8: row and column of the water pixel that is nearest to each pixel."""
        return np.stack(
            [
                ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
                for mask in _water(self.cover[self.with_water])
            ]
        ).astype(np.uint8)


def _water(cover: np.ndarray) -> np.ndarray:
    return cover[..., WATER] >= WET


def concat_tiles(*parts: Tiles) -> Tiles:
    """Concatenate tiles."""
    return Tiles(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Tiles)))


def no_tiles() -> Tiles:
    """Return an empty set of tiles, for a source that does not exist."""
    dn = np.zeros((0, CHIP, CHIP, len(BAND_NAMES)), np.uint16)
    return Tiles(dn, np.zeros(0, np.int64), no_cover(0), np.zeros(0, bool))


def tiles_of(chips: Chips, *, l2a: bool) -> Tiles:
    """Return chips of twelve bands as tiles."""
    dn = np.ascontiguousarray(chips.dn.transpose(0, 2, 3, 1))
    return Tiles(dn, chips.labels, chips.cover, np.full(len(chips), l2a))
