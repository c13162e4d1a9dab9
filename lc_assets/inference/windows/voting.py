"""From window rows to cell rows, as they stream by: the mean over all windows that contain a pixel, kept per cell."""

from __future__ import annotations

import numpy as np

from lc_assets.core.landcover import CLASSES
from lc_assets.inference.windows.grid import WindowGrid, cell_sums


class VoteAccumulator:
    """Window rows on their way to becoming cell rows: cell row c is the sum of window rows c - reach + 1 .. c."""

    def __init__(self, layout: WindowGrid) -> None:
        self._layout = layout
        self._sums = np.zeros((0, layout.cell_columns, len(CLASSES)), np.float64)
        self._votes = np.zeros((0, layout.cell_columns), np.int64)
        self._first = 0  # window row that the arrays begin with
        self._next = 0  # cell row to be given out next

    def add(self, probabilities: np.ndarray, votes: np.ndarray) -> None:
        """Append window rows: probabilities (rows, columns, classes), votes (rows, columns)."""
        weighted = np.where(votes[..., None], probabilities.astype(np.float64), 0.0)
        self._sums = np.concatenate([self._sums, cell_sums(weighted, self._layout.reach)])
        self._votes = np.concatenate([self._votes, cell_sums(votes.astype(np.int64), self._layout.reach)])

    def finished(self, known: int, *, final: bool) -> tuple[int, np.ndarray, np.ndarray]:
        """(first cell row, sums, votes) of the cell rows that no further window row can change.

        Args:
            known: window rows added so far; cell row c needs those up to c.
            final: no more will come.
        """
        start, stop = self._next, self._layout.cell_rows if final else known
        reach = self._layout.reach
        sums = np.zeros((stop - start, *self._sums.shape[1:]), self._sums.dtype)
        votes = np.zeros((stop - start, *self._votes.shape[1:]), self._votes.dtype)
        for cell in range(start, stop):
            for window in range(max(cell - reach + 1, 0), min(cell + 1, known)):  # a fixed order: see cell_sums
                sums[cell - start] += self._sums[window - self._first]
                votes[cell - start] += self._votes[window - self._first]
        self._next = stop
        keep = max(stop - reach + 1, 0)
        self._sums, self._votes = self._sums[keep - self._first :], self._votes[keep - self._first :]
        self._first = keep
        return start, sums, votes


def pooled(values: np.ndarray, stride: int) -> np.ndarray:
    """(rows, columns) bool, both multiples of `stride` -> trues per cell, int32."""
    # Down first, in bytes: a column of a cell has at most `stride` trues, and a chip has no more than 255 rows.
    kind = np.uint8 if stride < 256 else np.int32
    down = values.reshape(values.shape[0] // stride, stride, -1).sum(axis=1, dtype=kind)
    # Slices are added faster than many short sums.
    counts = down[:, ::stride].astype(np.int32)
    for column in range(1, stride):
        counts += down[:, column::stride]
    return counts


def cell_windows(counts: np.ndarray, reach: int) -> np.ndarray:
    """(cell rows, cell columns) -> (window rows, window columns): sums over the cells of each window."""
    views = np.lib.stride_tricks.sliding_window_view(counts, reach, axis=0).sum(axis=-1)
    windows: np.ndarray = np.lib.stride_tricks.sliding_window_view(views, reach, axis=1).sum(axis=-1)
    return windows
