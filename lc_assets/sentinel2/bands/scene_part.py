"""The part of a scene that a store with an area keeps of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rasterio.windows import Window

MOST_EXACT_CHIP = 64
"""Largest chip size of a model, in pixels, with which the map of a part is that of the whole scene in the area."""
MOST_EXACT_DILATION = 400
"""Largest dilation of the cloud mask, in metres, with which it is."""


@dataclass(frozen=True)
class ScenePart:
    """A window of a scene, in 10 m pixels.

    Attributes:
        column, row, width, height: the window.
        scene_width, scene_height: size of the scene.
    """

    column: int
    row: int
    width: int
    height: int
    scene_width: int
    scene_height: int

    @property
    def is_whole(self) -> bool:
        """True where the part is the whole scene."""
        return (self.width, self.height) == (self.scene_width, self.scene_height)

    @property
    def open_sides(self) -> list[str]:
        """The sides beyond which the scene goes on: `top`, `left`, `bottom`, `right`."""
        ends = {
            "top": self.row > 0,
            "left": self.column > 0,
            "bottom": self.row + self.height < self.scene_height,
            "right": self.column + self.width < self.scene_width,
        }
        return [side for side, is_open in ends.items() if is_open]

    def __str__(self) -> str:
        size, scene = (f"{self.width:,} x {self.height:,}", f"{self.scene_width:,} x {self.scene_height:,}")
        return f"{size} of {scene} pixels, from column {self.column:,} and row {self.row:,}"

    def window(self, factor: int) -> Window:
        """Return the window in a band whose pixels are `factor` pixels of 10 m wide."""
        return Window(self.column // factor, self.row // factor, self.width // factor, self.height // factor)

    def document(self) -> dict[str, list[int]]:
        """Return the part as JSON: its window, (column, row, width, height), and the scene, (width, height)."""
        return {
            "window": [self.column, self.row, self.width, self.height],
            "scene": [self.scene_width, self.scene_height],
        }

    @classmethod
    def of_document(cls, document: Any) -> ScenePart:
        """Return the part of a JSON document.

        Raises:
            KeyError, TypeError, ValueError: it is not that of a part.
        """
        return cls(*(int(number) for number in (*document["window"], *document["scene"])))
