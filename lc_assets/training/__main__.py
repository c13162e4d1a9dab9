"""From chips to a model and its contract: `python -m lc_assets.training --data ../shared/data/eurosat --out DIR`."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.contract import ModelContract
from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_NAMES
from lc_assets.stac.mlm import contract_to_item
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.data import CHIP, Chips
from lc_assets.training.evaluate import on_true_labels, on_weak_labels
from lc_assets.training.network import CONVOLUTIONS, keras_model, multiply_adds_per_pixel, teacher_module
from lc_assets.training.splits import Splits, read_splits

log = logging.getLogger("lc_assets.training")

NAME = "eurosat12-gap"

SOURCES: tuple[dict[str, str], ...] = (
    {
        "title": "EuroSAT (multispectral and RGB)",
        "href": "https://doi.org/10.1109/JSTARS.2019.2918242",
        "license": "MIT",
        "attribution": "(c) Patrick Helber; contains modified Copernicus Sentinel data",
    },
    {
        "title": "Weakly labelled Sentinel-2 L2A chips",
        "href": "https://sentinels.copernicus.eu",
        "license": "none given",
        "attribution": "contains modified Copernicus Sentinel data",
    },
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, calibrate, judge, export."""
    parser = argparse.ArgumentParser(prog="python -m lc_assets.training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of eurosat_ms, eurosat_rgb.zip and l2a_weak")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.keras, model.json, the checkpoint")
    parser.add_argument("--steps", type=int, default=None, help="steps of the fit; by default the recipe's own number")
    parser.add_argument("--version", default="1", help="version written into the contract")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # The network is only written down through Keras, which needs a backend that can hold weights: any will do.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    from lc_assets.training.fit import TEACHER_RECIPE, Recipe, Scaling, fit, predict

    options.out.mkdir(parents=True, exist_ok=True)
    splits = read_splits(options.data)
    recipe = Recipe(steps=options.steps) if options.steps else Recipe()
    scaling = Scaling.of(splits.multispectral)
    teacher = fit(splits, scaling, TEACHER_RECIPE, options.out / "teacher.pt", network=teacher_module)
    module = fit(splits, scaling, recipe, options.out / "checkpoint.pt", teacher=teacher)
    fitting, judging = _halves(splits.validation)
    temperature = fit_temperature(predict(module, fitting, scaling), fitting.labels)
    metrics = _metrics(lambda chips: softmax(predict(module, chips, scaling) / temperature), splits, judging)
    log.info("%s", json.dumps(metrics, indent=1))
    model = keras_model(module, temperature)
    weights = options.out / "model.keras"
    model.save(weights)
    import keras

    contract = ModelContract(
        name=NAME,
        version=options.version,
        bands=BAND_NAMES,
        product_levels=("L1C", "L2A"),
        mean=tuple(round(float(m), 2) for m in scaling.mean),
        std=tuple(round(float(s), 2) for s in scaling.std),
        chip_size=CHIP,
        resampling="bilinear",
        class_names=CLASS_NAMES,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        framework_version=keras.__version__,
        total_parameters=int(model.count_params()),
        description="Small convolutional network with global average pooling for chips of twelve bands.",
        hyperparameters={
            **asdict(recipe),
            "temperature": round(temperature, 4),
            "convolutions": [list(conv) for conv in CONVOLUTIONS],
            "multiply_adds_per_pixel": multiply_adds_per_pixel(),
        },
        metrics=metrics,
        training_data=SOURCES,
    )
    item = contract_to_item(contract, model_bytes=weights.stat().st_size)
    (options.out / "model.json").write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")


def _halves(chips: Chips) -> tuple[Chips, Chips]:
    """Every second chip to fit the temperature, the others to judge its calibration."""
    even = np.arange(len(chips)) % 2 == 0
    return chips.where(even), chips.where(~even)


def _metrics(probabilities: Callable[[Chips], np.ndarray], splits: Splits, judging: Chips) -> dict[str, Any]:
    return {
        "l1c_official_validation": on_true_labels(probabilities(splits.validation), splits.validation),
        "l1c_validation_half_not_used_for_temperature": {
            key: value
            for key, value in on_true_labels(probabilities(judging), judging).items()
            if key in ("chips", "expected_calibration_error")
        },
        "l2a_held_out_8_votes": on_weak_labels(probabilities(splits.weak_validation), splits.weak_validation),
    }


if __name__ == "__main__":
    main()
