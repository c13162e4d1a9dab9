"""Find the nearest visible pixel for each masked pixel.

If masked pixels were 0 in the network's input, the network would treat small masked areas as texture. So the input has
the values of the nearest visible pixel there, and the map is masked afterwards. The distance is the city-block distance
(|rows| + |columns|), which needs a few passes over an array and no search. Among pixels at the same distance the left
side wins, then the nearer column, then the upper row. So the result does not depend on how a scene is cut into strips.
"""

from __future__ import annotations

import numpy as np


def nearest(visible: np.ndarray, reach: int, inner: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest visible pixel for each masked pixel that has one within `reach`.

    Args:
        visible: (rows, columns) bool; False for masked pixels.
        reach: largest city-block distance in pixels.
        inner: (row, column) slices of the area whose masked pixels are filled. Pixels around it only serve as sources.

    Returns:
        Two (N,) arrays of positions in `visible.ravel()`: the masked pixels of the area, row by row, and the nearest
        visible pixel of each.
    """
    columns = visible.shape[1]
    to_fill = np.zeros_like(visible)
    to_fill[inner] = ~visible[inner]
    # Only the part of the array within reach of the masked pixels is processed.
    row_part, column_part = _within_reach(to_fill, 0, reach), _within_reach(to_fill, 1, reach)
    masked, source = _nearest(visible[row_part, column_part], np.flatnonzero(to_fill[row_part, column_part]), reach)
    top, left, width = row_part.start, column_part.start, column_part.stop - column_part.start

    def in_whole_array(position: np.ndarray) -> np.ndarray:
        return (position // width + top) * columns + position % width + left if len(position) else position

    return in_whole_array(masked), in_whole_array(source)


def _within_reach(to_fill: np.ndarray, axis: int, reach: int) -> slice:
    """Return the slice of an axis within reach of the True pixels; it is empty if there are none."""
    positions = np.flatnonzero(to_fill.any(axis=1 - axis))
    if not len(positions):
        return slice(0, 0)
    return slice(max(int(positions[0]) - reach, 0), min(int(positions[-1]) + reach + 1, to_fill.shape[axis]))


def _nearest(visible: np.ndarray, masked: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions in `masked` that have a visible pixel within reach, and the position of that pixel."""
    if not len(masked):
        return masked, masked
    rows, columns = visible.shape
    far = np.int32(reach + 1)
    row = np.arange(rows, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(visible, row, -far), axis=0)
    below = np.minimum.accumulate(np.where(visible, row, rows + far)[::-1], axis=0)[::-1]
    nearer = np.where(row - above <= below - row, above, below)
    # Within each row: the smallest sum of the distance along the column and the distance between the columns. One
    # number encodes distance and column, so that its running minimum also gives the column.
    down = np.minimum(np.abs(nearer - row), far)
    column = np.arange(columns, dtype=np.int32)
    from_left = np.minimum.accumulate((down - column) * columns - column, axis=1)
    from_right = np.minimum.accumulate(((down + column) * columns + column)[:, ::-1], axis=1)[:, ::-1]
    masked_row, masked_column = masked // columns, masked % columns
    left, right = from_left.ravel()[masked], from_right.ravel()[masked]
    left_column, right_column = -left % columns, right % columns
    left_distance = (left + left_column) // columns + masked_column
    right_distance = right // columns - masked_column
    distance = np.minimum(left_distance, right_distance)
    source_column = np.where(left_distance <= right_distance, left_column, right_column)
    reachable = distance <= reach
    masked_row, source_column = masked_row[reachable], source_column[reachable]
    return masked[reachable], nearer[masked_row, source_column] * columns + source_column
