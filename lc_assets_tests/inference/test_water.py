"""The shape of a body of water tells a lake from a river."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.inference.positions.water import BLOCK, REACH, RIM, WaterBodies
from lc_assets.sentinel2.bands.part_plan import ALIGNMENT, MARGIN

RIVERS = ((120.0, 0.07), (200.0, 0.2), (280.0, 0.35), (360.0, 0.65), (440.0, 0.5))
STRIDE = 4
RIVER, LAKE = CLASS_NAMES.index("River"), CLASS_NAMES.index("SeaLake")
ROWS, COLUMNS = np.indices((160, 160))


def cells(wet: np.ndarray, bank: float = 0.05, middle: float = 0.9) -> np.ndarray:
    """Probabilities of cells, as a network predicts them: SeaLake only where water is all around."""
    inside = ndimage.binary_erosion(wet, np.ones((5, 5)), border_value=1)
    share = np.where(inside, middle, bank)
    found = np.zeros((len(CLASS_NAMES), *wet.shape), np.float32)
    found[0] = np.where(wet, 0.1, 0.8)
    found[RIVER], found[LAKE] = np.where(wet, 0.9, 0.2) * (1 - share), np.where(wet, 0.9, 0.2) * share
    return found


def divided(found: np.ndarray, predicted: np.ndarray | None = None, rows: int = 1000) -> np.ndarray:
    known = np.ones(found.shape[1:], bool) if predicted is None else predicted
    bodies = WaterBodies(RIVERS, STRIDE, found.shape[2])
    parts = [
        part
        for row in range(0, len(known), rows)
        for part, _ in bodies.add(found[:, row : row + rows], known[row : row + rows], final=row + rows >= len(known))
    ]
    result = np.concatenate(parts, axis=1)
    assert result.shape == found.shape
    return result


def lake_share(found: np.ndarray, where: np.ndarray) -> float:
    return float((found[LAKE] > found[RIVER])[where].mean())


def disc(row: int, column: int, diameter: float) -> np.ndarray:
    return np.hypot(ROWS - row, COLUMNS - column) <= diameter / 2


def winding(width: int) -> np.ndarray:
    """A river of the same width everywhere, from one side to the other."""
    slope = 25 / 18 * np.cos(COLUMNS / 18)
    return np.abs(ROWS - 80 - 25 * np.sin(COLUMNS / 18)) / np.hypot(1, slope) <= width / 2


@pytest.mark.parametrize("diameter", [3, 6, 12, 40])
def test_a_lake_is_a_lake_up_to_its_banks(diameter: int) -> None:
    lake = disc(70, 75, diameter)
    before = cells(lake, bank=0.15)
    assert lake_share(before, lake) < 0.8
    assert lake_share(divided(before), lake) == 1


@pytest.mark.parametrize("width", [2, 4, 5, 7, 10])
def test_a_river_is_a_river_in_its_bends_and_in_its_middle(width: int) -> None:
    river = winding(width)
    before = cells(river, middle=0.6)
    before[[RIVER, LAKE], 60:63] = before[[LAKE, RIVER], 60:63]
    assert lake_share(before, river) > 0.02
    assert lake_share(divided(before), river) == 0


def test_a_lake_does_not_become_a_river_through_its_inflow() -> None:
    lake, river = disc(80, 80, 30), (np.abs(ROWS - 80) <= 1) & (COLUMNS < 65)
    found = divided(cells(lake | river))
    assert lake_share(found, lake) == 1
    assert lake_share(found, river & (COLUMNS < 55)) == 0


def test_a_river_that_leaves_a_lake_and_passes_under_a_road_stays_a_river() -> None:
    lake, river = disc(40, 80, 30), (np.abs(COLUMNS - 80) <= 3) & (ROWS > 50) & (np.abs(ROWS - 70) > 2)
    found = divided(cells(lake | river, bank=0.1, middle=0.6))
    assert lake_share(found, lake) == 1
    assert lake_share(found, river & (ROWS > 66)) == 0


def test_the_sea_stays_the_sea() -> None:
    sea = 40 + 10 * np.sin(ROWS / 9) < COLUMNS
    assert lake_share(divided(cells(sea)), sea) == 1


@pytest.mark.parametrize("edge", ["scene", "no data"])
def test_a_body_that_is_cut_is_no_lake_for_its_shape(edge: str) -> None:
    """Of a wide river, a corner can look like a pond."""
    wet = (ROWS < 4) & (np.abs(COLUMNS - 80) < 3)
    predicted = np.ones(wet.shape, bool)
    if edge == "no data":
        wet, predicted[:20] = np.roll(wet, 20, axis=0), False
    found = cells(wet, bank=0.15, middle=0.15)
    found[:, ~predicted] = 0
    assert lake_share(divided(found, predicted), wet) == 0
    assert lake_share(divided(np.roll(found, 20, axis=1)), np.roll(wet, 20, axis=0)) == 1


def test_only_the_probability_of_water_is_divided_anew() -> None:
    found = cells(disc(70, 75, 12) | winding(3))
    wet = found[0] < 0.5
    after = divided(found)
    others = [code for code in range(len(CLASS_NAMES)) if code not in (RIVER, LAKE)]
    assert (after[others] == found[others]).all()
    assert np.allclose(after.sum(axis=0), found.sum(axis=0))
    assert (after[:, ~wet] == found[:, ~wet]).all()
    assert (after != found).any()


def waters(seed: int, shape: tuple[int, int] = (260, 230)) -> np.ndarray:
    """Cells of a country of lakes, rivers and puddles."""
    rng = np.random.default_rng(seed)
    wet = ndimage.gaussian_filter(rng.normal(size=shape), 6) > 0.05
    wet |= np.abs(ndimage.gaussian_filter(rng.normal(size=shape), 9)) < 0.002
    found = cells(wet)
    return found * rng.uniform(0.5, 1, found.shape).astype(np.float32)


def test_cells_do_not_depend_on_how_many_rows_come_at_a_time() -> None:
    found = waters(1)
    predicted = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=found.shape[1:]), 5) < 0.1
    found[:, ~predicted] = 0
    whole = divided(found, predicted)
    assert (whole != found).mean() > 0.02
    for rows in (1, 37, 120):
        assert (divided(found, predicted, rows) == whole).all()


def test_cells_of_a_part_are_those_of_the_whole_scene() -> None:
    """From where the part's margin ends: see `lc_assets.sentinel2.bands.part_plan`."""
    found, block, beyond = waters(3), BLOCK // STRIDE, (REACH + RIM) // STRIDE
    assert ALIGNMENT % BLOCK == 0
    assert MARGIN >= REACH + RIM + 22 + 64 + 40 + 10 + 12
    part = found[:, 2 * block :, block:]
    inner = part[:, beyond:, beyond:].shape[1:]
    whole = divided(found)[:, 2 * block :, block:]
    first = -(-beyond // block) * block
    assert (divided(part)[:, first:, first:] == whole[:, first:, first:]).all()
    assert min(inner) > 2 * block
