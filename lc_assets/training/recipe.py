"""Train a model: complete the RGB chips, fit the network, calibrate, evaluate, and write the model and its contract."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lc_assets.core.checksum import sha256_of
from lc_assets.core.environment import set_default
from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.core.landcover import CLASS_NAMES
from lc_assets.core.settings import MODEL_FILE
from lc_assets.inference.contract import ModelContract, check_name
from lc_assets.inference.mlm import contract_to_item
from lc_assets.sentinel2.band_table import BAND_NAMES
from lc_assets.training.calibrate import fit_temperature, softmax
from lc_assets.training.data.chips import CHIP, Chips
from lc_assets.training.data.dynamic_world import read_scenes
from lc_assets.training.data.splits import CREDIBLE_VOTES, Splits, read_splits, spatial
from lc_assets.training.data.tiles import Tiles, no_tiles, tiles_of
from lc_assets.training.evaluation.metrics import on_allowed, on_true_labels, on_weak_labels
from lc_assets.training.evaluation.model_card import HOLD_OUT, write_card
from lc_assets.training.level_conversion import highest_seen
from lc_assets.training.network import SHIPPED_PLAN, keras_model, multiply_adds_per_pixel
from lc_assets.training.rivers import river_shares
from lc_assets.training.scaling import Scaling

if TYPE_CHECKING:
    from lc_assets.training.fit import Recipe

log = logging.getLogger(__name__)

LIMITATIONS: tuple[str, ...] = (
    "It has learnt from Europe, and from few scenes elsewhere. Other climates, soils, roofs and crops are "
    "extrapolation, and validation chips of a random list may lie beside training chips.",
    "Highway is a wide road or railway; narrow roads have the class of what is beside them. River and SeaLake are "
    "told apart by the shape of the water, so a reservoir as long and narrow as a river can be called River, and a "
    "piece of a wide river between clouds SeaLake.",
    "One date does not tell a meadow from a young crop, nor an orchard or a vineyard from what grows between its rows.",
    "It has learnt where classes end from Dynamic World, so agreement with Dynamic World is no accuracy.",
)

HOLD_OUT_STEPS = 4000
"""Steps of the twin that is fitted without the eastern quarter of the chips."""
SHARES = (0.28, 0.2, 0.42, 0.1)
"""Probability of each source of a training tile: multispectral, L2A and RGB chips, and scenes."""
COVER_SHARES = (0.45, 0.35, 0.2)
"""The same, without RGB chips, for the network that predicts the cover."""
LAKES = (0.7, 0.6)
"""Share of lakes in the drawn water of the fit, and of its finish: scenes have more ponds than wide rivers."""
FINISH_STEPS = 2000
"""Steps of the finish, a second cycle in which whole chips count more. The network's weights are the mean of those
after the fit, which makes the better maps, and those after the finish, which classifies more chips correctly (Wortsman
et al. 2022, arXiv:2109.01903)."""
CALIBRATION_MOSAICS = 160
"""Number of mosaics for the choice of the temperature, and again for the evaluation of the calibration."""

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
    {
        "title": "Dynamic World's classes of chips and scenes",
        "href": "https://doi.org/10.1038/s41597-022-01307-4",
        "license": "Apache-2.0 (network)",
        "attribution": "Dynamic World, produced by Google in partnership with National Geographic Society and the "
        "World Resources Institute",
    },
    {
        "title": "Parts of scenes of BigEarthNet, SSL4EO-S12 and SEN12MS-CR, and chips of ships",
        "href": "https://sentinels.copernicus.eu",
        "license": "CDLA-Permissive-1.0, CC-BY-4.0, MIT",
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
    hold_out: bool = False,
) -> Path:
    """Train a model. If an earlier call with the same recipe was interrupted, continue it.

    Args:
        data: folder of chips, see `lc_assets.training.data.splits.read_splits`. Scenes are read from the folder `maps`
            beside it, see `lc_assets.training.data.dynamic_world.read_scenes`.
        out: folder for `model.keras`, `model.json`, the card, and the checkpoints (`*.pt`).
        name, version: name and version in the contract.
        steps: steps of each fit; by default those of the recipes.
        hold_out: True to fit a twin without the eastern quarter of the chips too, for the card.

    Returns:
        Path of the MLM item.

    Raises:
        LandCoverError: PyTorch is not installed, the chips cannot be read, or the model cannot be written.
    """
    check_name(name, version)
    # Keras is used only to write the network to a file; any backend that can hold weights is enough.
    set_default("KERAS_BACKEND", "torch")
    try:
        from lc_assets.training.fit import Recipe
    except ImportError:
        raise LandCoverError(
            "training needs PyTorch, which is not installed", remedy="pip install -c constraints.txt -e '.[train]'"
        ) from None
    plain = read_splits(data)
    if len(plain.multispectral) < 2 or len(plain.validation) < 2:
        raise LandCoverError(
            f"{data} has {len(plain.multispectral)} multispectral training chips and {len(plain.validation)} "
            "validation chips, two of each are needed",
            remedy="use a folder with chips of both official lists (--data)",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{out} cannot be created ({error.strerror})", remedy="use another folder (--out)") from None
    maps = data.parent / "maps"
    recipe = Recipe() if steps is None else Recipe(steps=steps)
    document = _fitted(plain, maps, recipe, out, name=name, version=version, description=DESCRIPTION)
    if hold_out:
        folder = (out / HOLD_OUT).parent
        folder.mkdir(exist_ok=True)
        _fitted(
            spatial(plain)[0],
            maps,
            replace(recipe, steps=min(recipe.steps, HOLD_OUT_STEPS)),
            folder,
            name=f"{name}-holdout",
            version=version,
            description=f"Twin of {name}, fitted without the eastern quarter of the multispectral chips, to "
            "evaluate it in a region without training chips.",
        )
    write_card(document, data)
    return document


DESCRIPTION = "Small convolutional network for twelve bands that answers every 40 m, and for whole chips."


def _fitted(
    splits: Splits, maps: Path, recipe: Recipe, out: Path, *, name: str, version: str, description: str
) -> Path:
    """Complete the RGB chips, fit the network and its head, and write it with its contract."""
    from lc_assets.training.band_completion import complete
    from lc_assets.training.dynamic_world_completion import RECIPE as COVER_RECIPE
    from lc_assets.training.dynamic_world_completion import complete_cover
    from lc_assets.training.fit import class_loss, fit, mean_network
    from lc_assets.training.head import STEPS as HEAD_STEPS
    from lc_assets.training.head import fit_head
    from lc_assets.training.mosaics import Mosaics
    from lc_assets.training.network import torch_module

    scaling = Scaling.of(splits.multispectral)
    rgb = complete(splits.rgb, splits.multispectral, scaling, out / "completion.pt", seed=recipe.seed)
    labelled, weak = tiles_of(splits.multispectral, l2a=False), tiles_of(splits.weak, l2a=True)
    scenes = read_scenes(maps, learnt=True)
    positions = bool(splits.multispectral.cover.any())
    if positions and len(rgb) and rgb.bands.all():
        known = Mosaics((labelled, weak, scenes), COVER_SHARES, scaling)
        covering = replace(COVER_RECIPE, steps=min(COVER_RECIPE.steps, recipe.steps))
        rgb = complete_cover(rgb, known, scaling, out / "cover.pt", recipe=covering)
    whole_rgb = tiles_of(rgb, l2a=False) if rgb.bands.all() else no_tiles()
    source, finishing = (Mosaics((labelled, weak, whole_rgb, scenes), SHARES, scaling, lakes=lakes) for lakes in LAKES)
    fitted = fit(source, recipe, out / "checkpoint.pt", class_loss(recipe), torch_module)
    finish = finish_of(recipe)
    finished = fit(finishing, finish, out / "finish.pt", class_loss(finish), lambda: copy.deepcopy(fitted))
    chips = (splits.multispectral, splits.weak.where(splits.weak.votes >= CREDIBLE_VOTES))
    module = fit_head(
        mean_network(fitted, finished),
        [source for source in chips if len(source)],
        scenes,
        scaling,
        recipe.seed,
        min(HEAD_STEPS, recipe.steps),
    )
    return _export(
        module,
        splits,
        read_scenes(maps, learnt=False),
        scaling,
        recipe,
        out,
        name=name,
        version=version,
        description=description,
        positions=positions,
    )


def finish_of(recipe: Recipe) -> Recipe:
    """Return the hyperparameters of the finish. It is never longer than the fit."""
    return replace(recipe, steps=min(FINISH_STEPS, recipe.steps), learning_rate=recipe.learning_rate / 5, tile_loss=3.0)


def _export(
    module: Any,
    splits: Splits,
    unseen: Tiles,
    scaling: Scaling,
    recipe: Recipe,
    out: Path,
    *,
    name: str,
    version: str,
    description: str,
    positions: bool,
) -> Path:
    """Calibrate and evaluate a fitted network, write it as a Keras model with its contract, and return the contract's
    path.

    Args:
        unseen: tiles of scenes that were not used for training.
        positions: True if the network was trained to classify single positions.
    """
    import keras

    from lc_assets.training.fit import predict, predict_positions
    from lc_assets.training.head import HIDDEN, KEEP
    from lc_assets.training.mosaics import Mosaics

    fitting, judging = _halves(splits.validation)
    logits = predict(module, fitting, scaling)
    calibrated = [(logits, np.eye(len(CLASS_NAMES), dtype=bool)[fitting.labels])]
    if positions:
        mixed = Mosaics((tiles_of(fitting, l2a=False), unseen), (0.6, 0.4), scaling)
        calibrated.append(predict_positions(module, mixed, CALIBRATION_MOSAICS, recipe.seed))
    temperature = fit_temperature(calibrated)
    metrics = _metrics(lambda chips: softmax(predict(module, chips, scaling) / temperature), splits, judging)
    if positions:
        mixed = Mosaics((tiles_of(judging, l2a=False), unseen), (0.6, 0.4), scaling)
        found, right = predict_positions(module, mixed, CALIBRATION_MOSAICS, recipe.seed + 1)
        metrics["positions_of_mixed_chips_and_held_out_parts_of_scenes"] = on_allowed(
            softmax(found / temperature), right
        )
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
        positions=positions,
        rivers=river_shares(partial(_cells, module, scaling, temperature), splits.multispectral) if positions else (),
        hyperparameters={
            **asdict(recipe),
            "finish": asdict(finish_of(recipe)),
            "head": {"hidden": HIDDEN, "keep": KEEP},
            "temperature": round(temperature, 4),
            "layers": [str(layer) for layer in SHIPPED_PLAN],
            "multiply_adds_per_pixel": multiply_adds_per_pixel(),
        },
        metrics=metrics,
        training_data=SOURCES,
        limitations=LIMITATIONS,
    )
    item = contract_to_item(contract, model_bytes=weights.stat().st_size)
    document = out / MODEL_FILE
    document.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
    return document


def _cells(module: Any, scaling: Scaling, temperature: float, dn: np.ndarray) -> np.ndarray:
    """Return the (classes, rows, columns) probabilities of the positions of (12, height, width) DN."""
    import torch

    with torch.inference_mode():
        logits = module(torch.from_numpy(scaling.apply(dn[None])))[0].numpy()
    flat = softmax(logits.reshape(len(logits), -1).T / temperature)
    return flat.T.reshape(logits.shape)


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
