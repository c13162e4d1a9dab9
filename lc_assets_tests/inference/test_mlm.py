"""A model contract and its MLM item."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from lc_assets.core.errors import BadModel
from lc_assets.inference.mlm import contract_from_item, contract_to_item, model_href
from lc_assets.products.stac.validate import validate_offline
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets_tests.inference.contracts import CONTRACT


@pytest.mark.parametrize(
    "contract",
    [
        CONTRACT,
        replace(CONTRACT, bands=BAND_NAMES[:4], mean=CONTRACT.mean[:4], std=CONTRACT.std[:4], highest=(), chip_size=32),
        replace(CONTRACT, description="", training_data=(), hyperparameters={}, metrics={}, framework_version=""),
        replace(CONTRACT, framework="PyTorch"),
        replace(CONTRACT, training_data=({"title": "Chips", "href": "https://x.org", "license": "none given"},)),
    ],
    ids=["full", "four bands", "bare", "another framework", "unlicensed data"],
)
def test_a_contract_survives_the_round_trip_through_its_item(contract):
    item = json.loads(json.dumps(contract_to_item(contract, model_href="./other.keras", model_bytes=7)))
    assert contract_from_item(item) == contract
    assert model_href(item) == "./other.keras"
    assert validate_offline(item) == []


MALFORMED = {
    "not a JSON object": lambda d: [],
    "properties is missing": lambda d: d.pop("properties") and d,
    "mlm:input is missing": lambda d: d["properties"].pop("mlm:input") and d,
    "value_scaling is missing": lambda d: d["properties"]["mlm:input"][0].pop("value_scaling") and d,
    "mean is a str": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean="1") or d,
    "mean is a bool": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean=True) or d,
    "stddev is nan": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(stddev=float("nan")) or d,
    "shape contains a str": lambda d: d["properties"]["mlm:input"][0]["input"].update(shape=[-1, "a", "a", 12]) or d,
    "[-1, 64, 64, 3]": lambda d: d["properties"]["mlm:input"][0]["input"].update(shape=[-1, 64, 64, 3]) or d,
    "'bands', 'height'": lambda d: (
        d["properties"]["mlm:input"][0]["input"].update(dim_order=["batch", "bands", "height", "width"]) or d
    ),
    "lc:product_levels contains a int": lambda d: d["properties"].update({"lc:product_levels": [1]}) or d,
    "lc:training_data is a int": lambda d: d["properties"].update({"lc:training_data": 5}) or d,
    "lc:metrics is a list": lambda d: d["properties"].update({"lc:metrics": [1]}) or d,
    "mlm:total_parameters is a str": lambda d: d["properties"].update({"mlm:total_parameters": "many"}) or d,
    "license is a list": lambda d: d["properties"].update({"lc:training_data": [{"license": ["MIT"]}]}) or d,
    "has the value 9": lambda d: d["properties"]["mlm:output"][0]["classification:classes"][0].update(value=9) or d,
    "value_scaling/0/mean is a str": lambda d: (
        d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean="1") or d
    ),
    "scaled by mean 1e+30": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(mean=1e30) or d,
    "deviation 0": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(stddev=0) or d,
    "its rivers are": lambda d: d["properties"].update({"lc:rivers": [[200, 0.1], [100, 0.2]]}) or d,
    "rivers are ([100, 2],)": lambda d: d["properties"].update({"lc:rivers": [[100, 2]]}) or d,
    "rivers are ([100, inf],)": lambda d: d["properties"].update({"lc:rivers": [[100, float("inf")]]}) or d,
    "rivers are ([inf, 0.5],)": lambda d: d["properties"].update({"lc:rivers": [[float("inf"), 0.5]]}) or d,
    "rivers are ([1000": lambda d: d["properties"].update({"lc:rivers": [[10**400, 0.5]]}) or d,
    "rivers are (['10', '0.5'],)": lambda d: d["properties"].update({"lc:rivers": [["10", "0.5"]]}) or d,
    "rivers are ([True, True],)": lambda d: d["properties"].update({"lc:rivers": [[True, True]]}) or d,
    "at most 100 pairs": lambda d: d["properties"].update({"lc:rivers": [[n + 1, 0.5] for n in range(101)]}) or d,
    "rivers are ([100],)": lambda d: d["properties"].update({"lc:rivers": [[100]]}) or d,
    "lc:rivers contains a int": lambda d: d["properties"].update({"lc:rivers": [100, 200]}) or d,
    "highest DN": lambda d: d["properties"]["mlm:input"][0]["value_scaling"][0].update(maximum=900) or d,
    "resampled by 'bilinaer'": lambda d: d["properties"].update({"lc:resampling": "bilinaer"}) or d,
    'no asset with the role "mlm:model"': lambda d: d["assets"]["model"].update(roles=None) or d,
    "not a SHA-256 multihash": lambda d: d["assets"]["model"].update({"file:checksum": "1220" + "zz" * 32}) or d,
}


@pytest.mark.parametrize(("message", "break_it"), MALFORMED.items(), ids=list(MALFORMED))
def test_a_malformed_model_item_is_refused_and_the_message_names_the_field(message, break_it):
    with pytest.raises(BadModel) as refusal:
        contract_from_item(break_it(copy.deepcopy(contract_to_item(CONTRACT))))
    assert message in str(refusal.value)
