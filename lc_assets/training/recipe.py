"""From labelled chips to a model and its contract: fit a teacher, fit the shipped network, calibrate, judge, export."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.contract import ModelContract
from lc_assets.errors import LandCoverError
from lc_assets.evaluation.card import ABLATION, write_card
from lc_assets.evaluation.chips import CHIP, Chips
from lc_assets.evaluation.figures import on_true_labels, on_weak_labels
from lc_assets.evaluation.splits import Splits, read_splits
from lc_assets.landcover import CLASS_NAMES
from lc_assets.sentinel2.bands import BAND_NAMES
from lc_assets.stac.mlm import contract_to_item
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.network import CONVOLUTIONS, keras_model, multiply_adds_per_pixel, teacher_module

log = logging.getLogger(__name__)

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


def train(
    data: Path,
    out: Path,
    *,
    name: str = "eurosat12-gap",
    version: str = "1",
    steps: int | None = None,
    teacher_steps: int | None = None,
    ablate: bool = False,
) -> Path:
    """Make a model; goes on where an earlier call of the same recipe stopped.

    Args:
        data: folder of chips, see `lc_assets.evaluation.splits.read_splits`.
        out: folder for `model.keras`, `model.json`, the card, and the checkpoints (`*.pt`).
        name, version: for the contract.
        steps, teacher_steps: of the two fits; the recipe's own numbers by default; 0 teacher steps do without one.
        ablate: also measure what each ingredient brings.

    Returns:
        Path of the MLM item.

    Raises:
        LandCoverError: PyTorch is not installed, or the chips cannot be read.
    """
    # The network is only written down through Keras, which needs a backend that can hold weights: any will do.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        from lc_assets.training.fit import TEACHER_RECIPE, Recipe, Scaling, fit, predict
    except ImportError:
        raise LandCoverError(
            "training needs PyTorch, which is not installed", remedy="pip install -c constraints.txt -e '.[train]'"
        ) from None
    splits = read_splits(data)
    out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe() if steps is None else Recipe(steps=steps)
    teaching = TEACHER_RECIPE if teacher_steps is None else replace(TEACHER_RECIPE, steps=teacher_steps)
    scaling = Scaling.of(splits.multispectral)
    teacher = fit(splits, scaling, teaching, out / "teacher.pt", network=teacher_module) if teaching.steps else None
    module = fit(splits, scaling, recipe, out / "checkpoint.pt", teacher=teacher)
    fitting, judging = _halves(splits.validation)
    temperature = fit_temperature(predict(module, fitting, scaling), fitting.labels)
    metrics = _metrics(lambda chips: softmax(predict(module, chips, scaling) / temperature), splits, judging)
    if teacher is not None:
        taught = softmax(predict(teacher, splits.validation, scaling))
        metrics["teacher_l1c_official_validation"] = on_true_labels(taught, splits.validation)["accuracy"]
    log.info("%s", json.dumps(metrics, indent=1))
    model = keras_model(module, temperature)
    weights = out / "model.keras"
    model.save(weights)
    import keras

    contract = ModelContract(
        name=name,
        version=version,
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
            **({"teacher": asdict(teaching)} if teacher is not None else {}),
        },
        metrics=metrics,
        training_data=SOURCES,
    )
    item = contract_to_item(contract, model_bytes=weights.stat().st_size)
    document = out / "model.json"
    document.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    if ablate and teacher is not None:
        from lc_assets.training.ablation import ablation

        experiments = ablation(splits, scaling, recipe, teacher, out)
        (out / ABLATION).write_text(json.dumps(experiments, indent=1) + "\n", encoding="utf-8")
    write_card(document, data)
    return document


def _halves(chips: Chips) -> tuple[Chips, Chips]:
    """Every second chip to fit the temperature, the others to judge its calibration."""
    even = np.arange(len(chips)) % 2 == 0
    return chips.where(even), chips.where(~even)


def _metrics(probabilities: Callable[[Chips], np.ndarray], splits: Splits, judging: Chips) -> dict[str, Any]:
    metrics = {
        "l1c_official_validation": on_true_labels(probabilities(splits.validation), splits.validation),
        "l1c_validation_half_not_used_for_temperature": {
            key: value
            for key, value in on_true_labels(probabilities(judging), judging).items()
            if key in ("chips", "expected_calibration_error")
        },
    }
    if len(splits.weak_validation):
        metrics["l2a_held_out_8_votes"] = on_weak_labels(probabilities(splits.weak_validation), splits.weak_validation)
    return metrics
