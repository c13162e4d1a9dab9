import numpy as np
import pytest

from lc_assets.errors import BadItem
from lc_assets.sentinel2.radiometry import offset_dn, parse_baseline, remove_offset
from lc_assets.sentinel2.scl import is_hidden


@pytest.mark.parametrize(
    ("baseline", "offset"), [("02.05", 0), ("03.01", 0), ("04.00", -1000), ("05.00", -1000), ("05.11", -1000)]
)
def test_the_baseline_decides_the_offset(baseline: str, offset: int) -> None:
    assert offset_dn(baseline, {"datetime": "2015-07-04T10:10:06Z"}) == offset


def test_a_catalog_that_removed_the_offset_is_believed() -> None:
    assert offset_dn("05.11", {"earthsearch:boa_offset_applied": True}) == 0
    assert offset_dn("05.11", {"earthsearch:boa_offset_applied": False}) == -1000


def test_valid_pixels_stay_at_least_one_and_nodata_stays_zero() -> None:
    dn = np.array([0, 1, 999, 1000, 1001, 1002, 5000, 65535], np.uint16)
    assert remove_offset(dn, -1000).tolist() == [0, 1, 1, 1, 1, 2, 4000, 64535]
    assert remove_offset(dn, 0) is dn


def test_the_baseline_is_read_from_the_product_name_if_need_be() -> None:
    assert parse_baseline({"s2:product_uri": "S2A_MSIL2A_20240101T000000_N0510_R001_T33UUB_X.SAFE"}, "x") == "05.10"
    assert parse_baseline({"s2:processing_baseline": "04.00"}, "x") == "04.00"
    with pytest.raises(BadItem, match="baseline"):
        parse_baseline({}, "x")


def test_scl_hides_saturated_shadow_cloud_and_cirrus_only() -> None:
    codes = np.arange(12, dtype=np.uint8)
    assert np.flatnonzero(is_hidden(codes)).tolist() == [1, 3, 8, 9, 10]
