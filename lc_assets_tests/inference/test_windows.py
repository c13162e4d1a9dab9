from __future__ import annotations

import numpy as np
import pytest

from lc_assets.core.errors import BadModel
from lc_assets.inference.windows.grid import WindowGrid, cell_sums
from lc_assets.sentinel2.bands.strip_reader import reflected


@pytest.mark.parametrize("size", [(1, 1), (63, 64), (64, 65), (90, 246), (600, 600), (10980, 10980)])
@pytest.mark.parametrize("stride", [8, 16, 32, 64])
def test_the_windows_cover_every_pixel_and_no_more_than_needed(size: tuple[int, int], stride: int) -> None:
    grid = WindowGrid(*size, 64, stride)
    for count, length in ((grid.rows, size[0]), (grid.columns, size[1])):
        covered = (count - 1) * stride + 64
        assert covered >= length
        assert count == 1 or covered - stride < length


@pytest.mark.parametrize("stride", [0, -8, 3, 48, 65, 128])
def test_a_stride_that_does_not_divide_the_chip_is_refused(stride: int) -> None:
    with pytest.raises(BadModel, match="does not divide"):
        WindowGrid(100, 100, 64, stride)


def test_the_scene_is_extended_by_repeated_reflection() -> None:
    assert reflected(0, 8, 5).tolist() == [0, 1, 2, 3, 4, 4, 3, 2]
    assert reflected(3, 12, 2).tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0]
    assert reflected(0, 4, 1).tolist() == [0, 0, 0, 0]


def test_cell_sums_are_the_sums_over_the_windows_that_cover_a_cell() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((3, 7, 2))
    found = cell_sums(values, 4)
    assert found.shape == (3, 10, 2)
    for cell in range(10):
        covering = [w for w in range(7) if w <= cell < w + 4]
        assert np.allclose(found[:, cell], values[:, covering].sum(axis=1))
