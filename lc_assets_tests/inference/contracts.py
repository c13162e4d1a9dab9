"""A complete model contract."""

from __future__ import annotations

from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.inference.contract import ModelContract
from lc_assets.sentinel2.band_table import BAND_NAMES

CONTRACT = ModelContract(
    name="eurosat12-gap",
    version="1",
    bands=BAND_NAMES,
    product_levels=("L1C", "L2A"),
    mean=tuple(1000.5 + i for i in range(12)),
    std=tuple(300.25 + i for i in range(12)),
    chip_size=64,
    resampling="bilinear",
    class_names=CLASS_NAMES,
    sha256="0f" * 32,
    framework_version="3.12.0",
    total_parameters=63_000,
    description="A small network.",
    highest=tuple(9000.0 + i for i in range(12)),
    rivers=((120.0, 0.1), (300.0, 0.5)),
    hyperparameters={"learning_rate": 0.001},
    metrics={"validation": {"accuracy": 0.95}},
    training_data=(
        {"title": "EuroSAT", "href": "https://doi.org/x", "license": "MIT", "attribution": "(c) Patrick Helber"},
    ),
)
