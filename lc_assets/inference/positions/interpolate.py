"""Interpolate the probabilities of cells to pixels, and take the most probable class of each pixel.

A *quad* is the square between the centres of four neighbouring cells: `stride` x `stride` pixels. A pixel's
probabilities are the bilinear interpolation of the four cells, among those that have an answer. Where all four have the
same best class, every mean of them has it too, so only its own probability is interpolated. All sums are elementwise
and in a fixed order, so the result does not depend on how the scene is cut.
"""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import NO_DATA
from lc_assets.raster.cog import CONFIDENCE_NODATA

_QUADS = 16_384
"""Mixed quads interpolated at a time: their arrays fit into the cache."""


def weights(stride: int) -> list[np.float32]:
    """Return the weight of the second cell for each pixel between the centres of two cells."""
    return [np.float32((stride // 2 + p + 0.5) / stride - 0.5) for p in range(stride)]


def interpolate(probabilities: np.ndarray, answers: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Return classes and confidence of the pixels between cells.

    Args:
        probabilities: (classes, rows + 1, columns + 1) float32, 0 where a cell has no answer.
        answers: (rows + 1, columns + 1) bool.
        stride: side of a cell in pixels.

    Returns:
        Two (rows * stride, columns * stride) uint8 arrays.
    """
    rows, columns = (n - 1 for n in answers.shape)
    classes = np.empty((rows, stride, columns, stride), np.uint8)
    percent = np.empty_like(classes)
    best = probabilities.argmax(axis=0).astype(np.uint8)
    same = answers[:-1, :-1] & answers[:-1, 1:] & answers[1:, :-1] & answers[1:, 1:]
    first = best[:-1, :-1]
    same &= (first == best[:-1, 1:]) & (first == best[1:, :-1]) & (first == best[1:, 1:])
    classes[...] = first[:, None, :, None]
    highest = probabilities.max(axis=0)
    corners = (highest[:-1, :-1], highest[:-1, 1:], highest[1:, :-1], highest[1:, 1:])
    for row, down in enumerate(weights(stride)):
        left, right = _mixed(corners[0], corners[2], down), _mixed(corners[1], corners[3], down)
        for column, across in enumerate(weights(stride)):
            percent[:, row, :, column] = _percent(_mixed(left, right, across))
    _interpolate_mixed(probabilities, answers, ~same, classes, percent)
    shape = (rows * stride, columns * stride)
    return classes.reshape(shape), percent.reshape(shape)


def _interpolate_mixed(
    probabilities: np.ndarray, answers: np.ndarray, mixed: np.ndarray, classes: np.ndarray, percent: np.ndarray
) -> None:
    """Fill the pixels of the quads that are `mixed`, in which more than one class may win."""
    stride = classes.shape[1]
    every_row, every_column = np.nonzero(mixed)
    for start in range(0, len(every_row), _QUADS):
        row, column = every_row[start : start + _QUADS], every_column[start : start + _QUADS]
        at = ((row, column), (row, column + 1), (row + 1, column), (row + 1, column + 1))
        values = [probabilities[:, r, c] for r, c in at]
        known = [answers[r, c].astype(np.float32) for r, c in at]
        whole = all(part.all() for part in known)
        for down, y in enumerate(weights(stride)):
            left, right = _mixed(values[0], values[2], y), _mixed(values[1], values[3], y)
            left_known, right_known = _mixed(known[0], known[2], y), _mixed(known[1], known[3], y)
            for across, x in enumerate(weights(stride)):
                found = _mixed(left, right, x)
                highest = found.max(axis=0)
                codes = np.zeros(len(row), np.uint8)
                for code in range(len(found) - 1, -1, -1):
                    codes[found[code] == highest] = code
                share = _mixed(left_known, right_known, x)
                silent = None if whole else share == 0
                sure = _percent(highest / (share if silent is None else np.where(silent, np.float32(1), share)))
                if silent is not None:
                    codes[silent], sure[silent] = NO_DATA.code, CONFIDENCE_NODATA
                classes[row, down, column, across] = codes
                percent[row, down, column, across] = sure


def _mixed(one: np.ndarray, other: np.ndarray, weight: np.float32) -> np.ndarray:
    out: np.ndarray = one * (np.float32(1) - weight)
    out += other * weight
    return out


def _percent(probability: np.ndarray) -> np.ndarray:
    out: np.ndarray = np.minimum(np.rint(probability * np.float32(100)), 100).astype(np.uint8)
    return out
