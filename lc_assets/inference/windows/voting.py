"""Add up the votes of windows per cell, window row by window row."""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import CLASSES
from lc_assets.inference.windows.grid import WindowGrid, cell_sums


class VoteAccumulator:
    """Adds up window rows into cell rows. Cell row c is the sum of window rows c - windows_per_side + 1 .. c."""

    def __init__(self, grid: WindowGrid) -> None:
        self._grid = grid
        self._sums = np.zeros((0, grid.cell_columns, len(CLASSES)), np.float64)
        self._votes = np.zeros((0, grid.cell_columns), np.int64)
        self._first = 0  # number of the first window row in the arrays
        self._next = 0  # number of the next cell row to return

    def add(self, probabilities: np.ndarray, votes: np.ndarray) -> None:
        """Append window rows: probabilities (rows, columns, classes), votes (rows, columns) bool."""
        weighted = np.where(votes[..., None], probabilities.astype(np.float64), 0.0)
        self._sums = np.concatenate([self._sums, cell_sums(weighted, self._grid.windows_per_side)])
        self._votes = np.concatenate([self._votes, cell_sums(votes.astype(np.int64), self._grid.windows_per_side)])

    def finished(self, window_rows: int, *, final: bool) -> tuple[int, np.ndarray, np.ndarray]:
        """Return (first cell row, sums, votes) of the cell rows that no later window row can change.

        Sums are (rows, columns, classes) float64, votes (rows, columns) int64.

        Args:
            window_rows: number of window rows added so far; cell row c needs the window rows up to c.
            final: whether all window rows have been added.
        """
        start, stop = self._next, self._grid.cell_rows if final else window_rows
        span = self._grid.windows_per_side
        sums = np.zeros((stop - start, *self._sums.shape[1:]), self._sums.dtype)
        votes = np.zeros((stop - start, *self._votes.shape[1:]), self._votes.dtype)
        for cell in range(start, stop):
            # Always in this order: see `cell_sums`.
            for window in range(max(cell - span + 1, 0), min(cell + 1, window_rows)):
                sums[cell - start] += self._sums[window - self._first]
                votes[cell - start] += self._votes[window - self._first]
        self._next = stop
        keep = max(stop - span + 1, 0)
        self._sums, self._votes = self._sums[keep - self._first :], self._votes[keep - self._first :]
        self._first = keep
        return start, sums, votes


def count_per_cell(values: np.ndarray, stride: int) -> np.ndarray:
    """Return the number of True pixels per cell, int32.

    Args:
        values: (rows, columns) bool, both multiples of `stride`.
        stride: side of a cell in pixels.
    """
    # First along columns, in uint8 if possible: a column of a cell has at most `stride` True pixels.
    dtype = np.uint8 if stride < 256 else np.int32
    down = values.reshape(values.shape[0] // stride, stride, -1).sum(axis=1, dtype=dtype)
    # Adding slices is faster than many short sums.
    counts = down[:, ::stride].astype(np.int32)
    for column in range(1, stride):
        counts += down[:, column::stride]
    return counts


def window_sums(counts: np.ndarray, windows_per_side: int) -> np.ndarray:
    """Return (window rows, window columns): the sum of `counts` (cell rows, cell columns) over the cells of each
    window."""
    views = np.lib.stride_tricks.sliding_window_view(counts, windows_per_side, axis=0).sum(axis=-1)
    windows: np.ndarray = np.lib.stride_tricks.sliding_window_view(views, windows_per_side, axis=1).sum(axis=-1)
    return windows
