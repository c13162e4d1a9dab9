"""Where the windows of a scene lie, and how their votes become pixels.

Windows of `chip` pixels start at multiples of `stride`, counted from the scene's top-left corner. Where the last one
reaches over the right or lower edge, the scene is continued by reflection (the row beyond the edge repeats the one
before it), rather than the window being pulled in: then every window stays on the stride's lattice, which is what lets
one evaluation of the convolutions serve all windows. `stride` divides `chip`, so the scene falls into square cells of
`stride` pixels, and every pixel of a cell lies in the same windows: votes are averaged per cell, never per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.core.errors import BadModel


def check_stride(stride: int, chip: int) -> None:
    """Refuse a stride that does not divide the chip size (both in pixels).

    Raises:
        BadModel: it does not.
    """
    if stride < 1 or chip % stride:
        divisors = [d for d in range(1, chip + 1) if chip % d == 0]
        raise BadModel(
            f"a stride of {stride} px does not divide the chip size of {chip} px",
            remedy=f"choose a stride of {', '.join(map(str, divisors))}",
        )


@dataclass(frozen=True)
class WindowGrid:
    """The lattice of windows over a scene.

    Attributes:
        height, width: the scene, in pixels.
        chip: window side, in pixels.
        stride: step between windows, in pixels; divides `chip`.

    Raises:
        BadModel: the stride does not divide the chip size.
    """

    height: int
    width: int
    chip: int
    stride: int

    def __post_init__(self) -> None:
        check_stride(self.stride, self.chip)

    @property
    def reach(self) -> int:
        """Cells along one side of a window."""
        return self.chip // self.stride

    @property
    def rows(self) -> int:
        """Rows of windows: as many as it takes to cover the scene's height."""
        return _steps(self.height, self.chip, self.stride)

    @property
    def columns(self) -> int:
        """Columns of windows."""
        return _steps(self.width, self.chip, self.stride)

    @property
    def cell_rows(self) -> int:
        """Rows of cells that the windows cover: at least the scene's height."""
        return self.rows + self.reach - 1

    @property
    def cell_columns(self) -> int:
        """Columns of cells that the windows cover."""
        return self.columns + self.reach - 1


def _steps(length: int, chip: int, stride: int) -> int:
    return -(-max(length - chip, 0) // stride) + 1


def cell_sums(values: np.ndarray, reach: int) -> np.ndarray:
    """Sum over the windows that cover each cell, along the second axis.

    Args:
        values: (rows, windows, ...) one value per window.
        reach: cells along a window's side.

    Returns:
        (rows, windows + reach - 1, ...): entry j is the sum of windows j - reach + 1 .. j, as far as they exist, always
        added in the same order, so that it does not depend on how the scene was cut.
    """
    rows, windows, *rest = values.shape
    total = np.zeros((rows, windows + reach - 1, *rest), values.dtype)
    for shift in range(reach):
        total[:, shift : shift + windows] += values
    return total
