"""Cut a scene into strips, and strips into blocks of one shape: which positions, which windows, which pixels they need.

Nothing here changes the map: positions lie on a lattice of their own, and each is computed from its own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from lc_assets.inference.dense.evaluators import Evaluator
from lc_assets.inference.windows.grid import WindowGrid
from lc_assets.sentinel2.bands.strip_reader import reflected

STRIP_PIXELS = 512
"""Rows decoded at a time for scenes up to `STRIP_WIDTH`: one row of the files' own blocks."""
STRIP_WIDTH = 11_264
"""Wider scenes get lower strips, so that memory does not grow with them: a full tile is 10980 px wide."""
BLOCK_PIXELS = (544, 1056)
"""Largest block evaluated at once, in pixels: 64 x 128 positions of the shipped model. Smaller ones fit the cache
better and overlap more."""


@dataclass(frozen=True)
class Block:
    """Positions `row ..`, `column ..` of the scene, and the pixels that they need.

    Attributes:
        row, column, rows, columns: positions.
        top, left, height, width: pixels; they may reach beyond the scene's edge.
        shape: pixels of a whole block; this one is filled up to it, so that all blocks have one shape.
    """

    row: int
    column: int
    rows: int
    columns: int
    top: int
    left: int
    height: int
    width: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class StripPlan:
    """What is computed from one strip.

    Attributes:
        positions: first and last-plus-one row of positions that this strip completes.
        windows: the same for rows of windows.
        top, bottom: rows of the scene that are needed for both.
        blocks: the positions, cut into blocks.
    """

    positions: tuple[int, int]
    windows: tuple[int, int]
    top: int
    bottom: int
    blocks: tuple[Block, ...]


def position_columns(layout: WindowGrid, lattice: Evaluator) -> int:
    """Columns of positions over the whole scene."""
    return (layout.columns - 1) * lattice.hop + lattice.side


def plan_strips(layout: WindowGrid, lattice: Evaluator, strip_pixels: int = 0) -> list[StripPlan]:
    """Cut a scene into strips, from top to bottom.

    Args:
        layout: where the windows lie.
        lattice: where the positions lie.
        strip_pixels: rows decoded at a time; 0: as suits the width.
    """
    height = strip_pixels or max(STRIP_PIXELS // -(-layout.width // STRIP_WIDTH), lattice.step)
    last = (layout.rows - 1) * lattice.hop + lattice.side
    cuts: list[tuple[int, int]] = [(0, 0)]
    for bottom in range(height, layout.height, height):
        position = max((bottom - lattice.extent) // lattice.step + 1, 0)
        if cuts[-1][0] < position < last:
            cuts.append((position, max((position - lattice.side) // lattice.hop + 1, 0)))
    cuts.append((last, layout.rows))
    tallest = max(after[0] - before[0] for before, after in pairwise(cuts))
    rows = _even(tallest, _most(BLOCK_PIXELS[0], lattice))
    columns = _even(position_columns(layout, lattice), _most(BLOCK_PIXELS[1], lattice))
    strips = [_strip(layout, lattice, before, after, (rows, columns)) for before, after in pairwise(cuts)]
    # Reflection may look further up than the strip above does: rows are decoded once, from top to bottom.
    for number in range(len(strips) - 1, 0, -1):
        above, below = strips[number - 1], strips[number]
        strips[number - 1] = replace(above, top=min(above.top, below.top))
    return strips


def _strip(
    layout: WindowGrid, lattice: Evaluator, start: tuple[int, int], stop: tuple[int, int], shape: tuple[int, int]
) -> StripPlan:
    top = min(start[0] * lattice.step, start[1] * layout.stride)
    needed = reflected(top, (stop[0] - 1) * lattice.step + lattice.extent, layout.height)
    columns = position_columns(layout, lattice)
    blocks = tuple(
        _block(row, column, min(shape[0], stop[0] - row), min(shape[1], columns - column), lattice, shape)
        for row in range(start[0], stop[0], shape[0])
        for column in range(0, columns, shape[1])
    )
    return StripPlan((start[0], stop[0]), (start[1], stop[1]), int(needed.min()), int(needed.max()) + 1, blocks)


def _block(row: int, column: int, rows: int, columns: int, lattice: Evaluator, shape: tuple[int, int]) -> Block:
    def pixels(positions: int) -> int:
        return (positions - 1) * lattice.step + lattice.extent

    top, left = row * lattice.step, column * lattice.step
    return Block(
        row, column, rows, columns, top, left, pixels(rows), pixels(columns), (pixels(shape[0]), pixels(shape[1]))
    )


def _most(pixels: int, lattice: Evaluator) -> int:
    """Positions that fit into so many pixels, at least one."""
    return max((pixels - lattice.extent) // lattice.step + 1, 1)


def _even(total: int, most: int) -> int:
    """The size of equal parts of `total`, none above `most`."""
    return -(-total // -(-total // most))
