"""Single chips are classified from Python; what is no chip, and what is no model, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import SHIPPED
from lc_assets.inference import classify_chips

CHIPS = np.full((1, 64, 64, 12), 800, np.uint16)


@pytest.mark.parametrize(
    "chips", [CHIPS[0], CHIPS[..., :11], [[1]], "chips", CHIPS - 1000.0, np.where(CHIPS == 800, np.nan, 0), CHIPS > 0]
)
def test_what_is_no_chip_is_refused(chips: Any) -> None:
    with pytest.raises(BadModel, match=r"the chips have (the shape|values that are not DN)"):
        classify_chips(chips)


def test_a_model_is_named_by_its_item_its_weights_or_their_folder() -> None:
    expected = classify_chips(CHIPS)
    for model in (SHIPPED, str(SHIPPED), SHIPPED.parent, SHIPPED.with_suffix(".keras")):
        assert np.array_equal(classify_chips(CHIPS, model), expected)


def test_a_model_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"absent/model\.json cannot be read") as refused:
        classify_chips(CHIPS, tmp_path / "absent" / "model.json")
    assert "folder" in str(refused.value)


def test_a_name_that_is_no_path_is_refused() -> None:
    with pytest.raises(BadModel, match="cannot be read"):
        classify_chips(CHIPS, "m" * 5000)
