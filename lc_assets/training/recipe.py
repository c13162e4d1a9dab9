"""Make a model and its contract from labelled chips: complete the RGB chips, fit the teachers and the shipped network,
calibrate, evaluate, export."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lc_assets.core.checksum import sha256_of
from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.inference.contract import ModelContract, check_name
from lc_assets.inference.mlm import contract_to_item
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.augment import highest_seen
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.data.chips import CHIP, Chips
from lc_assets.training.data.splits import Splits, read_splits, spatial
from lc_assets.training.evaluation.metrics import on_true_labels, on_weak_labels
from lc_assets.training.evaluation.model_card import ABLATION, HOLD_OUT, write_card
from lc_assets.training.network import SHIPPED_PLAN, keras_model, multiply_adds_per_pixel, teacher_module
from lc_assets.training.scaling import Scaling

log = logging.getLogger(__name__)

TEACHERS = 2
"""Number of teachers of the shipped network. One of their steps takes as long as two to three of its own."""

LIMITATIONS: tuple[str, ...] = (
    "It has learnt from Europe. Other climates, soils, roofs and crops are extrapolation, and validation chips of a "
    "random list may lie beside training chips.",
    "The weak L2A labels it was adapted with are poor for PermanentCrop and HerbaceousVegetation and were not learnt "
    "from; on L2A it calls most scrub and open wood Forest, and these two classes seldom.",
)

HOLD_OUT_STEPS = 4000
"""Steps of the twin that is fitted without the eastern quarter of the chips; it has fewer chips to learn from."""

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
    teachers: int = TEACHERS,
    teacher_steps: int | None = None,
    hold_out: bool = False,
    ablate: bool = False,
) -> Path:
    """Make a model. An earlier call with the same recipe is resumed where it stopped.

    Args:
        data: folder of chips, see `lc_assets.training.data.splits.read_splits`.
        out: folder for `model.keras`, `model.json`, the card, and the checkpoints (`*.pt`).
        name, version: name and version in the contract.
        steps, teacher_steps: steps of the fits; by default those of the recipes.
        teachers: number of teachers; they differ by their seed.
        hold_out: whether to fit a twin too, without teachers and without the eastern quarter of the chips, for the
            card.
        ablate: whether to measure the effect of each ingredient too.

    Returns:
        Path of the MLM item.

    Raises:
        LandCoverError: PyTorch is not installed, the chips cannot be read, or the model cannot be written.
    """
    check_name(name, version)
    # Keras is used only to write the network to a file; any backend that can hold weights is enough.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        from lc_assets.training.band_completion import STEPS as COMPLETION_STEPS
        from lc_assets.training.band_completion import complete
        from lc_assets.training.fit import TEACHER_RECIPE, Recipe, fit
    except ImportError:
        raise LandCoverError(
            "training needs PyTorch, which is not installed", remedy="pip install -c constraints.txt -e '.[train]'"
        ) from None
    plain = read_splits(data)
    if len(plain.multispectral) < 2 or len(plain.validation) < 2:
        raise LandCoverError(
            f"{data} has {len(plain.multispectral)} multispectral chips to learn from and {len(plain.validation)} to "
            "judge by",
            remedy="name a folder with chips of both official lists",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{out} cannot be made ({error.strerror})", remedy="name another folder with --out") from None
    recipe = Recipe() if steps is None else Recipe(steps=steps)
    teaching = TEACHER_RECIPE if teacher_steps is None else replace(TEACHER_RECIPE, steps=teacher_steps)
    scaling = Scaling.of(plain.multispectral)
    rgb = complete(plain.rgb, plain.multispectral, scaling, out / "completion.pt", seed=recipe.seed)
    splits = replace(plain, rgb=rgb)
    taught_by = [
        fit(
            splits,
            scaling,
            replace(teaching, seed=teaching.seed + number),
            out / f"teacher{number}.pt",
            network=teacher_module,
        )
        for number in range(1, teachers + 1)
    ]
    module = fit(splits, scaling, recipe, out / "checkpoint.pt", teachers=taught_by)
    figures: dict[str, Any] = {"completion_steps": COMPLETION_STEPS}
    if taught_by:
        figures["teachers"] = {"number": teachers, **asdict(teaching)}
    document = _export(
        module,
        splits,
        scaling,
        out,
        name=name,
        version=version,
        description="Small convolutional network with global average pooling for chips of twelve bands.",
        hyperparameters={**asdict(recipe), **figures},
        teachers=taught_by,
    )
    if hold_out:
        _fit_hold_out(plain, replace(recipe, steps=min(recipe.steps, HOLD_OUT_STEPS)), out, name=name, version=version)
    if ablate:
        from lc_assets.training.ablation import ablation

        experiments = ablation(plain, splits, scaling, recipe, taught_by, out)
        (out / ABLATION).write_text(json.dumps(experiments, indent=1) + "\n", encoding="utf-8")
    write_card(document, data)
    return document


def _fit_hold_out(plain: Splits, recipe: Any, out: Path, *, name: str, version: str) -> None:
    """Make the twin without eastern chips: its scaling, band completion, fit and temperature use western chips only."""
    from lc_assets.training.band_completion import complete
    from lc_assets.training.fit import fit

    western, _ = spatial(plain)
    scaling = Scaling.of(western.multispectral)
    rgb = complete(western.rgb, western.multispectral, scaling, out / "completion_west.pt", seed=recipe.seed)
    western = replace(western, rgb=rgb)
    module = fit(western, scaling, recipe, out / "checkpoint_west.pt")
    folder = (out / HOLD_OUT).parent
    folder.mkdir(exist_ok=True)
    _export(
        module,
        western,
        scaling,
        folder,
        name=f"{name}-holdout",
        version=version,
        description=f"Twin of {name}, fitted without teachers and without the eastern quarter of the multispectral "
        "chips, to judge how it does where it has not been.",
        hyperparameters=asdict(recipe),
    )


def _export(
    module: Any,
    splits: Splits,
    scaling: Scaling,
    out: Path,
    *,
    name: str,
    version: str,
    description: str,
    hyperparameters: dict[str, Any],
    teachers: Sequence[Any] = (),
) -> Path:
    """Calibrate and evaluate a fitted network, write it as a Keras model with its contract, and return the contract's
    path."""
    import keras

    from lc_assets.training.fit import predict

    fitting, judging = _halves(splits.validation)
    temperature = fit_temperature(predict(module, fitting, scaling), fitting.labels)
    metrics = _metrics(lambda chips: softmax(predict(module, chips, scaling) / temperature), splits, judging)
    if teachers:
        taught = np.mean([softmax(predict(teacher, splits.validation, scaling)) for teacher in teachers], axis=0)
        metrics["teachers_l1c_official_validation"] = on_true_labels(taught, splits.validation)["accuracy"]
    log.info("%s", json.dumps(metrics, indent=1))
    model = keras_model(module, temperature)
    weights = out / "model.keras"
    model.save(weights)
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
        sha256=sha256_of(weights),
        highest=tuple(float(dn) for dn in highest_seen(scaling.highest)),
        framework_version=keras.__version__,
        total_parameters=int(model.count_params()),
        description=description,
        hyperparameters={
            **hyperparameters,
            "temperature": round(temperature, 4),
            "layers": [str(layer) for layer in SHIPPED_PLAN],
            "multiply_adds_per_pixel": multiply_adds_per_pixel(),
        },
        metrics=metrics,
        training_data=SOURCES,
        limitations=LIMITATIONS,
    )
    item = contract_to_item(contract, model_bytes=weights.stat().st_size)
    document = out / "model.json"
    document.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    return document


def _halves(chips: Chips) -> tuple[Chips, Chips]:
    """Return every second chip, to fit the temperature, and the others, to evaluate the calibration."""
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
