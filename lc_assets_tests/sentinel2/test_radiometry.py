import numpy as np
import pytest

from lc_assets.sentinel2.item.baseline import Baseline
from lc_assets.sentinel2.radiometry import offset_dn, remove_offset
from lc_assets.sentinel2.scl import is_hidden


@pytest.mark.parametrize(
    ("baseline", "offset"), [((0, 1), 0), ((3, 1), 0), ((4, 0), -1000), ((5, 11), -1000), ((6, 0), -1000)]
)
def test_the_baseline_decides_the_offset(baseline: tuple[int, int], offset: int) -> None:
    assert offset_dn(Baseline(baseline), {"datetime": "2015-07-04T10:10:06Z"}) == offset


def test_a_catalog_that_removed_the_offset_is_believed() -> None:
    assert offset_dn(Baseline((5, 11)), {"earthsearch:boa_offset_applied": True}) == 0
    assert offset_dn(Baseline((5, 11)), {"earthsearch:boa_offset_applied": False}) == -1000


def test_valid_pixels_stay_at_least_one_and_nodata_stays_zero() -> None:
    dn = np.array([0, 1, 999, 1000, 1001, 1002, 5000, 65535], np.uint16)
    assert remove_offset(dn, -1000).tolist() == [0, 1, 1, 1, 1, 2, 4000, 64535]
    assert remove_offset(dn, 0) is dn


def test_scl_hides_saturated_shadow_cloud_and_cirrus_only() -> None:
    codes = np.arange(12, dtype=np.uint8)
    assert np.flatnonzero(is_hidden(codes)).tolist() == [1, 3, 8, 9, 10]
