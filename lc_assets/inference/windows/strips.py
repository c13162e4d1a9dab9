"""Cut a scene into strips, and strips into blocks of one shape, with the features, windows and pixels of each.

The cuts do not change the map: each feature has a fixed position and depends only on its own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from lc_assets.inference.dense.evaluators import Evaluator
from lc_assets.inference.positions.grid import PositionGrid
from lc_assets.inference.windows.grid import WindowGrid
from lc_assets.sentinel2.bands.strip_reader import reflected

STRIP_PIXELS = 512
"""Rows decoded at a time for scenes up to `STRIP_WIDTH`: the height of one row of blocks in the files."""
STRIP_WIDTH = 11_264
"""Scenes wider than this get strips with fewer rows, so that memory does not grow. A full tile is 10980 px wide."""
BLOCK_PIXELS = (544, 1056)
"""Largest block evaluated at once, in pixels: 64 x 128 features of the shipped model. Smaller blocks fit the cache
better, but they overlap more."""


Grid = WindowGrid | PositionGrid


@dataclass(frozen=True)
class Block:
    """A rectangle of features of the scene, and the pixels that they depend on.

    Attributes:
        row, column, rows, columns: first row and column of features, and their number.
        top, left, height, width: the pixels; they may extend beyond the scene's edge.
        shape: height and width of a full block in pixels. A smaller block is padded to it, so all blocks have one
            shape.
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
    """The results that one strip completes, and the rows that they need.

    Attributes:
        features: rows of features that this strip completes, as (start, stop).
        windows: rows of windows that it completes, as (start, stop).
        top, bottom: rows of the scene that both need, as start and stop.
        blocks: the features, cut into blocks.
    """

    features: tuple[int, int]
    windows: tuple[int, int]
    top: int
    bottom: int
    blocks: tuple[Block, ...]


def feature_columns(grid: Grid, evaluator: Evaluator) -> int:
    """Return the number of feature columns of the whole scene."""
    return (grid.columns - 1) * evaluator.window_hop + evaluator.window_features


def plan_strips(grid: Grid, evaluator: Evaluator, strip_pixels: int = 0) -> list[StripPlan]:
    """Cut a scene into strips, from top to bottom.

    Args:
        grid: the windows.
        evaluator: the evaluator, which defines the size and spacing of the features.
        strip_pixels: rows decoded at a time; 0 for a number that suits the width.
    """
    height = strip_pixels or max(STRIP_PIXELS // -(-grid.width // STRIP_WIDTH), evaluator.feature_stride)
    last = (grid.rows - 1) * evaluator.window_hop + evaluator.window_features
    cuts: list[tuple[int, int]] = [(0, 0)]
    for bottom in range(height, grid.height, height):
        feature = max((bottom + grid.margin - evaluator.receptive_field) // evaluator.feature_stride + 1, 0)
        if cuts[-1][0] < feature < last:
            cuts.append((feature, max((feature - evaluator.window_features) // evaluator.window_hop + 1, 0)))
    cuts.append((last, grid.rows))
    tallest = max(after[0] - before[0] for before, after in pairwise(cuts))
    rows = _even_size(tallest, _features_within(BLOCK_PIXELS[0], evaluator))
    columns = _even_size(feature_columns(grid, evaluator), _features_within(BLOCK_PIXELS[1], evaluator))
    strips = [_strip(grid, evaluator, before, after, (rows, columns)) for before, after in pairwise(cuts)]
    # Reflection may need rows above those of the previous strip, and rows are decoded only once, from top to bottom.
    for number in range(len(strips) - 1, 0, -1):
        above, below = strips[number - 1], strips[number]
        strips[number - 1] = replace(above, top=min(above.top, below.top))
    return strips


def _strip(
    grid: Grid, evaluator: Evaluator, start: tuple[int, int], stop: tuple[int, int], shape: tuple[int, int]
) -> StripPlan:
    top = min(start[0] * evaluator.feature_stride, start[1] * grid.stride) - grid.margin
    bottom = (stop[0] - 1) * evaluator.feature_stride + evaluator.receptive_field - grid.margin
    needed = reflected(top, bottom, grid.height)
    columns = feature_columns(grid, evaluator)
    blocks = tuple(
        _block(
            row, column, min(shape[0], stop[0] - row), min(shape[1], columns - column), evaluator, shape, grid.margin
        )
        for row in range(start[0], stop[0], shape[0])
        for column in range(0, columns, shape[1])
    )
    return StripPlan((start[0], stop[0]), (start[1], stop[1]), int(needed.min()), int(needed.max()) + 1, blocks)


def _block(
    row: int, column: int, rows: int, columns: int, evaluator: Evaluator, shape: tuple[int, int], margin: int
) -> Block:
    def pixels(features: int) -> int:
        return (features - 1) * evaluator.feature_stride + evaluator.receptive_field

    top, left = row * evaluator.feature_stride - margin, column * evaluator.feature_stride - margin
    return Block(
        row, column, rows, columns, top, left, pixels(rows), pixels(columns), (pixels(shape[0]), pixels(shape[1]))
    )


def _features_within(pixels: int, evaluator: Evaluator) -> int:
    """Return the number of features that fit into `pixels`, at least one."""
    return max((pixels - evaluator.receptive_field) // evaluator.feature_stride + 1, 1)


def _even_size(total: int, limit: int) -> int:
    """Return the size of the parts of `total`: as few nearly equal parts as possible, each at most `limit`."""
    return -(-total // -(-total // limit))
