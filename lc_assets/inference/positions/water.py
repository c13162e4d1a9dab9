"""Tell rivers from lakes by the shape of a body of water, which is larger than the view of a position.

At the bank of a lake a position sees what it also sees at the bank of a river, and predicts River. So the probabilities
of River and SeaLake are added, and the shape of the body that the cells form decides how the sum is divided. A body is
a lake if it is compact, or if its positions predict SeaLake more often than those of rivers of the same width.

Wide and narrow water are separate bodies, so that a lake does not become a river through its inflow. The bodies of a
block of cells are measured in a window around it, so that a cell does not depend on cells far away: the map of a part
of a scene has the same classes as that of the whole scene (`lc_assets.sentinel2.bands.part_plan`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from lc_assets.core.landcover import CLASS_NAMES

BLOCK = 192
"""Side of a block, in pixels: the bodies of its cells are measured in one window."""
REACH = 128
"""Pixels by which the window extends beyond the block on each side."""
RIM = 64
"""Pixels beyond the window on which the separation of wide and narrow water depends, rounded up."""
WIDE, NEAR = 44, 20
"""Width of wide water, in pixels: a square of side `WIDE` fits into it. All water within `NEAR` pixels of such a square
is wide water too. Few rivers are as wide. With a smaller width a river would be cut into wide and narrow parts, which
look like lakes."""
LONG = 6.0
"""Ratio of length and width at which the shape says neither lake nor river. A disc has 1.3, and a straight river of
280 m has 8 in a window."""
WEIGHT = 1.5
"""Weight of the logarithm of that ratio, in logits."""
SMALL = 8
"""Number of cells below which a body is no lake for its shape: it can be a part of a narrow river."""
CUT = 0.5
"""Evidence for a river, in logits, if the window, the scene or missing data cuts a body: long bodies are cut more often
than compact ones. Real lakes need less than 0.7, and rivers of the synthetic scene more than 0.4."""
BROAD = 48
"""Width in pixels up to which it is measured. Few rivers are as wide, so a body of this width can be called compact
even where the window cuts it."""
_RIVER, _SEA_LAKE = CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake")
_GROUND = [code for code in range(len(CLASS_NAMES)) if code not in (_RIVER, _SEA_LAKE)]
_NEIGHBOURS = np.ones((3, 3), bool)

Rows = tuple[np.ndarray, np.ndarray]
"""Rows of cells: (classes, rows, columns) float32 probabilities, and (rows, columns) bool, True with a prediction."""


class WaterBodies:
    """Divides the probability of water between River and SeaLake, for rows of cells that come from top to bottom.

    Args:
        rivers: (width in m, share of SeaLake) of rivers, see `ModelContract.rivers`.
        stride: side of a cell in pixels.
        columns: number of columns of cells.
    """

    def __init__(self, rivers: Sequence[tuple[float, float]], stride: int, columns: int) -> None:
        self._widths, self._shares = np.array(rivers).T
        self._stride = stride
        self._block, self._reach, self._rim = (max(pixels // stride, 1) for pixels in (BLOCK, REACH, RIM))
        self._found = np.zeros((len(CLASS_NAMES), 0, columns), np.float32)
        self._predicted = np.zeros((0, columns), bool)
        self._first = 0  # number of the first row that is kept
        self._next = 0  # number of the first row that is not finished

    def add(self, found: np.ndarray, predicted: np.ndarray, *, final: bool) -> Iterator[Rows]:
        """Yield the rows that are finished when the next rows are known; all others too if these are the last ones."""
        self._found = np.concatenate([self._found, found], axis=1)
        self._predicted = np.concatenate([self._predicted, predicted])
        beyond = self._reach + self._rim
        known = self._first + len(self._predicted)
        while self._next < known and (final or self._next + self._block + beyond <= known):
            end = min(self._next + self._block, known)
            top, bottom = max(self._next - beyond, self._first), min(end + beyond, known)
            rows = slice(top - self._first, bottom - self._first)
            block = slice(self._next - top, end - top)
            yield self._divided(self._found[:, rows], self._predicted[rows], block)
            self._next = end
            passed = max(end - beyond - self._first, 0)
            self._found, self._predicted = self._found[:, passed:], self._predicted[passed:]
            self._first += passed

    def _divided(self, found: np.ndarray, predicted: np.ndarray, block: slice) -> Rows:
        """Return the rows of a block, with the blocks side by side divided one after the other."""
        result = found[:, block].copy(), predicted[block].copy()
        water, wet = water_of(found)
        if not wet[block].any():
            return result
        width = widths(wet, predicted, self._stride)
        # The cells of a square are at most half of its side from its centre.
        steps = (WIDE // 2 + NEAR) // self._stride
        wide = ndimage.binary_dilation(wet & (width >= 10 * WIDE), _NEIGHBOURS, steps, mask=wet)
        beside_wide = ndimage.binary_dilation(wide, _NEIGHBOURS) & ~wide
        unknown = np.zeros(wet.shape, bool) if predicted.all() else ndimage.binary_dilation(~predicted, _NEIGHBOURS)
        rows = slice(max(block.start - self._reach, 0), block.stop + self._reach)
        for left in range(0, wet.shape[1], self._block):
            columns = slice(left, left + self._block)
            there = wet[block, columns]
            if not there.any():
                continue
            start = max(left - self._reach, 0)
            window = rows, slice(start, columns.stop + self._reach)
            cut = unknown[window].copy()
            cut[[0, -1]] = cut[:, [0, -1]] = True
            # Narrow water beside wide water can be the first part of a river.
            values = width[window], water[window], found[_SEA_LAKE][window], cut, beside_wide[window]
            share = self._lakes((wet & wide)[window], *values) + self._lakes((wet & ~wide)[window], *values)
            share = share[block.start - rows.start :, left - start :][: there.shape[0], : there.shape[1]]
            total = water[block, columns]
            for code, portion in ((_RIVER, 1 - share), (_SEA_LAKE, share)):
                result[0][code, :, columns][there] = (total * portion)[there]
        return result

    def _lakes(
        self,
        wet: np.ndarray,
        width: np.ndarray,
        water: np.ndarray,
        sea_lake: np.ndarray,
        cut: np.ndarray,
        beside_wide: np.ndarray,
    ) -> np.ndarray:
        """Return the probability that each cell of a window belongs to a lake, 0 outside `wet`."""
        labels, count = ndimage.label(wet, _NEIGHBOURS)
        if not count:
            return np.zeros(wet.shape)
        body = labels[wet] - 1

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(body, values[wet], count)

        broadest = np.zeros(count)
        np.maximum.at(broadest, body, width[wet])
        boxes = [[s.stop - s.start for s in box] for box in ndimage.find_objects(labels)]
        # A band has the area length * width, so length / width is length squared / area.
        area = np.bincount(body)
        compact = WEIGHT * np.log(LONG * 2 * area / np.square(boxes).sum(axis=1))
        is_cut = (total(cut) > 0) & (broadest < 10 * BROAD)
        is_part = is_cut | (total(beside_wide) > 0) | (area < SMALL)
        compact = np.where(is_part, np.minimum(compact, 0), compact) - CUT * is_cut
        usual = np.interp(broadest, self._widths, self._shares)
        lake = 1 / (1 + np.exp(_logit(usual) - _logit(total(sea_lake) / total(water)) - compact))
        return np.concatenate([[0], lake])[labels]


def water_of(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of River or SeaLake of each cell, and where no other class is more probable.

    Args:
        found: (classes, rows, columns) probabilities, 0 where there is no prediction.
    """
    water = found[_RIVER] + found[_SEA_LAKE]
    return water, (water > 0) & (water >= np.maximum.reduce([found[code] for code in _GROUND]))


def widths(wet: np.ndarray, predicted: np.ndarray, stride: int) -> np.ndarray:
    """Return the width in m, up to `BROAD`, of the largest square of water around each cell.

    Args:
        wet: (rows, columns) bool, True for water.
        predicted: (rows, columns) bool, True for cells with a prediction. The others may be water.
        stride: side of a cell in pixels.
    """
    maybe = np.pad(wet | ~predicted, 1, "edge")
    distance = ndimage.distance_transform_cdt(maybe, "chessboard")[1:-1, 1:-1]
    return np.minimum(2 * distance - 1, BROAD // stride) * (10.0 * stride)


def _logit(share: np.ndarray) -> np.ndarray:
    """Return the logit of a share, limited as if it had been seen in 200 cases."""
    result: np.ndarray = np.log((share + 0.005) / (1.005 - share))
    return result
