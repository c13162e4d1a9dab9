"""Which visible pixel stands for a hidden one: the nearest.

A network that sees 0 where a pixel is masked takes the mask's specks for texture. It sees the nearest ground instead;
the map is masked afterwards. Nearest is by city blocks (|rows| + |columns|), which needs a few passes over an array and
no search. Of pixels at one distance the left column wins, then the nearer column, then the upper row: so the choice
does not depend on how a scene is cut.
"""

from __future__ import annotations

import numpy as np


def nearest(visible: np.ndarray, reach: int, inner: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """The nearest visible pixel of each hidden one that has one within reach.

    Args:
        visible: (rows, columns) bool.
        reach: largest distance in pixels, counted in city blocks.
        inner: the part whose hidden pixels are asked for; what lies around it is only looked at.

    Returns:
        Two (N,) arrays of positions in `visible.ravel()`: the hidden pixels inside, row by row, and what stands for
        each.
    """
    columns = visible.shape[1]
    asked = np.zeros_like(visible)
    asked[inner] = ~visible[inner]
    # Only what lies within reach of the hidden pixels is looked at.
    down, across = _around(asked, 0, reach), _around(asked, 1, reach)
    hidden, source = _nearest(visible[down, across], np.flatnonzero(asked[down, across]), reach)
    top, left, width = down.start, across.start, across.stop - across.start

    def place(at: np.ndarray) -> np.ndarray:
        return (at // width + top) * columns + at % width + left if len(at) else at

    return place(hidden), place(source)


def _around(asked: np.ndarray, axis: int, reach: int) -> slice:
    """The part of an axis within reach of what is asked for; empty where nothing is."""
    found = np.flatnonzero(asked.any(axis=1 - axis))
    if not len(found):
        return slice(0, 0)
    return slice(max(int(found[0]) - reach, 0), min(int(found[-1]) + reach + 1, asked.shape[axis]))


def _nearest(visible: np.ndarray, hidden: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    if not len(hidden):
        return hidden, hidden
    rows, columns = visible.shape
    far = np.int32(reach + 1)
    row = np.arange(rows, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(visible, row, -far), axis=0)
    below = np.minimum.accumulate(np.where(visible, row, rows + far)[::-1], axis=0)[::-1]
    nearer = np.where(row - above <= below - row, above, below)
    # Within each row: the smallest of (distance along the column + columns between). Distance and column share a
    # number, so that the running minimum of it names the column too.
    down = np.minimum(np.abs(nearer - row), far)
    column = np.arange(columns, dtype=np.int32)
    from_left = np.minimum.accumulate((down - column) * columns - column, axis=1)
    from_right = np.minimum.accumulate(((down + column) * columns + column)[:, ::-1], axis=1)[:, ::-1]
    here_row, here_column = hidden // columns, hidden % columns
    left, right = from_left.ravel()[hidden], from_right.ravel()[hidden]
    left_column, right_column = -left % columns, right % columns
    left_distance = (left + left_column) // columns + here_column
    right_distance = right // columns - here_column
    distance = np.minimum(left_distance, right_distance)
    source_column = np.where(left_distance <= right_distance, left_column, right_column)
    found = distance <= reach
    here_row, source_column = here_row[found], source_column[found]
    return hidden[found], nearer[here_row, source_column] * columns + source_column
