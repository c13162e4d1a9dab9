"""Interpolate the probabilities of cells to pixels, and take the most probable class of each pixel.

The square between the centres of four neighbouring cells has `stride` x `stride` pixels. The probabilities of a pixel
are interpolated bilinearly from those of the four cells that have a prediction: first along each row of cells, then
between the rows. Each pixel depends only on its four cells, and the order of its sums is fixed, so the result does not
depend on how the scene is cut into strips.
"""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import NO_DATA
from lc_assets.raster.cog import CONFIDENCE_NODATA


def weights(stride: int) -> list[np.float32]:
    """Return the weight of the second cell for each pixel between the centres of two cells."""
    return [np.float32((stride // 2 + p + 0.5) / stride - 0.5) for p in range(stride)]


def interpolate(probabilities: np.ndarray, predicted: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Return classes and confidence of the pixels between the centres of cells.

    Args:
        probabilities: (classes, rows + 1, columns + 1) float32, 0 where a cell has no prediction.
        predicted: (rows + 1, columns + 1) bool, True where a cell has a prediction.
        stride: side of a cell in pixels.

    Returns:
        Two (rows * stride, columns * stride) uint8 arrays: class codes, and the largest probability in percent. They
        are 10 and 255 where none of the four cells has a prediction.
    """
    count, rows, columns = probabilities.shape[0], *(n - 1 for n in predicted.shape)
    classes, percent = np.empty((2, rows * stride, columns * stride), np.uint8)
    values = np.empty((count, columns * stride), np.float32)
    highest = np.empty(columns * stride, np.float32)
    # Among equally probable classes, the first one has the largest rank, so it wins.
    is_best, rank = np.empty(values.shape, np.uint8), np.arange(count, 0, -1, dtype=np.uint8)[:, None]
    above = _across(probabilities[:, 0], stride)
    for row in range(rows):
        below = _across(probabilities[:, row + 1], stride)
        step = below - above
        both = predicted[row : row + 2]
        # The weight of the predicted cells; None where all are.
        known = None if both.all() else _across(both.astype(np.float32), stride)
        for number, weight in enumerate(weights(stride), row * stride):
            np.multiply(step, weight, out=values)
            np.add(values, above, out=values)
            np.maximum.reduce(values, axis=0, out=highest)
            np.equal(values, highest, out=is_best.view(bool))
            np.multiply(is_best, rank, out=is_best)
            np.maximum.reduce(is_best, axis=0, out=classes[number])
            np.subtract(count, classes[number], out=classes[number])
            if known is not None:
                share = known[0] + (known[1] - known[0]) * weight
                np.divide(highest, share, out=highest, where=share > 0)
            np.multiply(highest, np.float32(100), out=highest)
            np.add(highest, np.float32(0.5), out=highest)
            np.copyto(percent[number], highest, casting="unsafe")  # cut to whole numbers
            if known is not None:
                classes[number][share == 0] = NO_DATA.code
                percent[number][share == 0] = CONFIDENCE_NODATA
        above = below
    return classes, percent


def _across(cells: np.ndarray, stride: int) -> np.ndarray:
    """Interpolate rows of cells: (rows, columns + 1) -> (rows, columns * stride) float32, contiguous."""
    left, step = cells[:, :-1], cells[:, 1:] - cells[:, :-1]
    out = np.empty((*left.shape, stride), np.float32)
    for pixel, weight in enumerate(weights(stride)):
        np.add(step * weight, left, out=out[..., pixel])
    return out.reshape(left.shape[0], -1)
