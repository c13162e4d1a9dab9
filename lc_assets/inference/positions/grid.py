"""The grid of positions over a scene.

Position k of a row predicts the cell of `stride` pixels that starts at pixel k * stride. Its view is centred on that
cell, so the first view starts `margin` pixels before the scene. The scene is extended by reflection on all sides.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PositionGrid:
    """The grid of positions over a scene.

    Attributes:
        height, width: the scene, in pixels.
        chip: side of a position's view, in pixels.
        stride: side of a cell, in pixels.
    """

    height: int
    width: int
    chip: int
    stride: int

    @property
    def rows(self) -> int:
        """Rows of cells: the smallest number that covers the scene's height."""
        return -(-self.height // self.stride)

    @property
    def columns(self) -> int:
        """Columns of cells: the smallest number that covers the scene's width."""
        return -(-self.width // self.stride)

    @property
    def margin(self) -> int:
        """Pixels by which the first view starts above and left of the scene's corner."""
        return (self.chip - self.stride) // 2
