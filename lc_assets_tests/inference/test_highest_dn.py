"""The highest DN of a model contract."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lc_assets.core.errors import BadModel
from lc_assets.core.settings import SHIPPED
from lc_assets.inference.loading import open_model
from lc_assets.inference.windows.classify import Classification
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets_tests.inference.contracts import CONTRACT
from lc_assets_tests.inference.maps import whole_map
from lc_assets_tests.sentinel2.spoilt_scenes import INSIDE, VEGETATION, spoilt
from lc_assets_tests.sentinel2.stacks import stack_of


@pytest.mark.parametrize("highest", [(1.0,) * 12, (900.0,) * 12, (9000.0,) * 11, ("a",) * 12, 5, (1e9,) * 12])
def test_impossible_highest_dn_in_a_contract_are_refused(highest: Any) -> None:
    with pytest.raises(BadModel, match="its highest DN are"):
        dataclasses.replace(CONTRACT, highest=highest)


def test_the_network_sees_no_dn_above_the_highest_that_it_was_trained_on(tmp_path: Path, demo_item: Path) -> None:
    model = SHIPPED.parent
    shutil.copytree(model, tmp_path / "model")
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    for scaling in document["properties"]["mlm:input"][0]["value_scaling"]:
        scaling["maximum"] = 4000
    (tmp_path / "model" / "model.json").write_text(json.dumps(document))
    engine = open_model(tmp_path / "model" / "model.json", "float32")
    maps = [
        whole_map(Classification(stack_of(path, path.parent / "store"), engine, 16, window=64))
        for path in (
            spoilt(demo_item, tmp_path / str(dn), (BAND_NAMES, INSIDE, dn), (("SCL",), INSIDE, VEGETATION))
            for dn in (5000, 29_000)
        )
    ]
    ring = np.ones((246, 258), bool)
    ring[114:186, 114:186] = False  # interpolation ends within a pixel of 60 m
    assert (maps[0][0] == maps[1][0])[ring].mean() > 0.97
    plain = open_model(SHIPPED, "float32")
    assert engine.contract.fingerprint != plain.contract.fingerprint
