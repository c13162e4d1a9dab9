"""The grid of windows over a scene, and the cells in which their votes are added up.

Windows of `chip` pixels start at multiples of `stride`, counted from the scene's top-left corner. Where the last window
extends beyond the right or lower edge, the scene is extended by reflection (the row beyond the edge repeats the row
before it). The window is not moved inwards, so every window starts at a multiple of the stride, and one evaluation of
the convolutions is enough for all windows. `stride` divides `chip`, so the scene divides into square cells of `stride`
pixels, and all pixels of a cell are in the same windows. Votes are averaged per cell, never per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lc_assets.core.errors import BadModel

DEFAULT_STRIDE = 8
"""Default number of pixels from one window to the next."""


def check_stride(stride: int, chip: int) -> None:
    """Check that a stride divides the chip size (both in pixels).

    Raises:
        BadModel: the stride does not divide the chip size.
    """
    if stride < 1 or chip % stride:
        divisors = [d for d in range(1, chip + 1) if chip % d == 0]
        raise BadModel(
            f"a stride of {stride} px does not divide the chip size of {chip} px",
            remedy=f"choose a stride of {', '.join(map(str, divisors))}",
        )


@dataclass(frozen=True)
class WindowGrid:
    """The grid of windows over a scene.

    Attributes:
        height, width: the scene, in pixels.
        chip: window side, in pixels.
        stride: pixels from one window to the next; divides `chip`.

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
    def margin(self) -> int:
        """Pixels by which the first window starts above and left of the scene's corner: 0."""
        return 0

    @property
    def windows_per_side(self) -> int:
        """Number of windows that start along one window's side; also the number of cells along it."""
        return self.chip // self.stride

    @property
    def rows(self) -> int:
        """Rows of windows: the smallest number that covers the scene's height."""
        return _steps(self.height, self.chip, self.stride)

    @property
    def columns(self) -> int:
        """Columns of windows: the smallest number that covers the scene's width."""
        return _steps(self.width, self.chip, self.stride)

    @property
    def cell_rows(self) -> int:
        """Rows of cells that the windows cover; their total height is at least the scene's height."""
        return self.rows + self.windows_per_side - 1

    @property
    def cell_columns(self) -> int:
        """Columns of cells that the windows cover; their total width is at least the scene's width."""
        return self.columns + self.windows_per_side - 1


def _steps(length: int, chip: int, stride: int) -> int:
    return -(-max(length - chip, 0) // stride) + 1


def cell_sums(values: np.ndarray, windows_per_side: int) -> np.ndarray:
    """Add up the windows that cover each cell, along the second axis.

    Args:
        values: (rows, windows, ...), one value per window.
        windows_per_side: cells along a window's side.

    Returns:
        (rows, windows + windows_per_side - 1, ...). Cell j is covered by the windows from
        j - windows_per_side + 1 to j, of which those at the edges do not exist. They are always added in the same
        order, so the sum does not depend on how the scene is cut into strips.
    """
    rows, windows, *rest = values.shape
    total = np.zeros((rows, windows + windows_per_side - 1, *rest), values.dtype)
    for shift in range(windows_per_side):
        total[:, shift : shift + windows] += values
    return total
