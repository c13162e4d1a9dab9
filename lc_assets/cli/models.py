"""`lc-assets train` and `lc-assets model`: train a model; describe, check and evaluate one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from lc_assets.cli.options import BAD_INPUT, echo_error, echo_warning, user_errors
from lc_assets.cli.session import open_session
from lc_assets.core.errors import LandCoverError, printable


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of labelled chips.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the model and its checkpoints.")
@click.option("--name", default="eurosat12-gap", show_default=True, help="Name in the contract.")
@click.option("--version", default="1", show_default=True, help="Version in the contract.")
@click.option("--steps", type=click.IntRange(min=2), help="Steps of each fit.  [default: the recipe's]")
@click.option("--holdout", is_flag=True, help="Also fit a second model without the eastern quarter, for the card.")
@user_errors
def train(data: Path, out: Path, holdout: bool, **options: Any) -> None:
    """Train a model from labelled chips: model.keras, its contract model.json, its card.

    DATA holds eurosat_ms.tif with its CSV (chips packed below each other) or EuroSAT's own <Class>/<name>.tif, and
    optionally eurosat_rgb.zip, l2a_weak.tif and l2a_more.tif with their CSV. With Dynamic World's classes of the chips
    (eurosat_ms_dw.tif, l2a_weak_dw.tif) the model answers every 40 m. A training that was stopped continues. Needs the
    train extra.
    """
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from lc_assets.training.recipe import train as train_model

    document = train_model(data, out, hold_out=holdout, **options)
    click.echo(f"done. To use it: export LC_ASSETS_MODEL={document.resolve()}")


@click.group()
def model() -> None:
    """Describe, check and evaluate models."""


_file_argument = click.argument("file", type=click.Path(path_type=Path), required=False)


def _model_item(file: Path | None) -> Path:
    """Path of a model's MLM item.

    Args:
        file: see `lc_assets.core.settings.model_item`; None is the configured model.

    Raises:
        LandCoverError: `file` is not a valid path.
    """
    from lc_assets.core.settings import model_item

    if file is None:
        return open_session().settings.model
    try:
        return model_item(file)
    except (OSError, ValueError) as error:
        raise LandCoverError(f"FILE is not a path ({error})", remedy="name a model's .json, .keras or folder") from None


@model.command()
@_file_argument
@user_errors
def describe(file: Path | None) -> None:
    """Print a model's contract. FILE: its .json, its .keras or their folder; by default the configured model."""
    from lc_assets.core.settings import CARD_FILE
    from lc_assets.inference.loading import read_contract

    contract, weights = read_contract(_model_item(file))
    scaling = zip(contract.bands, contract.mean, contract.std, strict=True)
    sources = [
        f"{s.get('title', '')} ({s.get('license', '')}; {s.get('attribution', '')})" for s in contract.training_data
    ]
    rows = {
        "name": f"{contract.name} {contract.version}",
        "about": contract.description,
        "weights": f"{weights} ({contract.framework} {contract.framework_version})",
        "sha256": contract.sha256,
        "parameters": f"{contract.total_parameters:,}",
        "levels": ", ".join(contract.product_levels),
        "chip": f"{contract.chip_size} px at 10 m, {contract.resampling}",
        "bands": "\n".join(f"{band:<4} (DN - {mean:g}) / {std:g}" for band, mean, std in scaling),
        "classes": ", ".join(contract.class_names),
        "trained on": "\n".join(sources),
        "metrics": "\n".join(f"{_words(split)}: {_figures(value)}" for split, value in contract.metrics.items()),
        "hyperparameters": _figures(contract.hyperparameters),
    }
    if (card := weights.with_name(CARD_FILE)).exists():
        rows["card"] = str(card)
    for title, text in rows.items():
        for number, line in enumerate(printable(str(text)).splitlines()):
            click.echo(f"{title if number == 0 else '':<16}{line}")


def _figures(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)} {_figures(v)}" for key, v in value.items() if not isinstance(v, dict))
    return str(value)


def _words(key: str) -> str:
    return key.replace("_", " ")


@model.command()
@_file_argument
@user_errors
def check(file: Path | None) -> None:
    """Check that a model loads, fits its contract and predicts, and that its contract is valid STAC.

    Where the CPU has bfloat16, its predictions in bfloat16 are compared with those in float32.
    """
    import json

    import numpy as np

    from lc_assets.core.stac import MLM
    from lc_assets.inference.dense.scaling import normalize_input
    from lc_assets.inference.loading import open_model
    from lc_assets.products.stac.validate import validate_offline

    item = _model_item(file)
    engine = open_model(item, again=True)
    contract = engine.contract
    document = json.loads(item.read_text(encoding="utf-8"))
    problems = [printable(problem) for problem in validate_offline(document)]
    if MLM not in document.get("stac_extensions", []):
        problems.append(f"stac_extensions does not name {MLM}")
    # Random, smallest and largest DN: the engine raises if the output is not probabilities.
    shape = (3, contract.chip_size, contract.chip_size, len(contract.bands))
    dn = np.random.default_rng(0).integers(1, 10_000, shape, np.uint16)
    dn[1], dn[2] = 1, 65535
    engine.probabilities(normalize_input(contract, dn, np.ones(shape[:3], bool)))
    for problem in problems:
        echo_error(problem)
    if problems:
        sys.exit(BAD_INPUT)
    way = f"evaluated chip by chip, for {engine.why_chips}" if engine.why_chips else "evaluated densely"
    if contract.positions:
        way += f", with positions every {engine.position_evaluator().feature_stride} px"
    click.echo(
        f"{contract.name} {contract.version}: fits its contract, runs on {engine.backend} in {engine.precision}, "
        f"{way}, valid STAC"
    )
    click.echo(f"bfloat16: {engine.bfloat16}")
    if engine.warning:
        echo_warning(engine.warning)


@model.command()
@_file_argument
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of labelled chips, as for train.")
@click.option(
    "--scenes",
    type=click.Path(path_type=Path),
    help="Folder of scenes with references, to judge maps by.  [default: LC_ASSETS_SCENES, if it is set]",
)
@user_errors
def card(file: Path | None, data: Path, scenes: Path | None) -> None:
    """Evaluate a model on the held-out chips, and write its card (README.md and charts) beside it.

    With scenes, the card also says how good the model's maps are.
    """
    from lc_assets.training.evaluation.model_card import write_card

    written = write_card(_model_item(file), data, scenes or open_session().settings.scenes)
    for line in written.read_text(encoding="utf-8").splitlines():
        if "**" in line:  # the sentences with the main figures
            click.echo(line.replace("**", ""))
    click.echo(f"written: {written}")
