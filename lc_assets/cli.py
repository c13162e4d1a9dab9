"""`lc-assets`: the command line. Dagster is imported late, so that `--help` and mistakes answer at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import lc_assets
from lc_assets.errors import LandCoverError, without_query

if TYPE_CHECKING:
    from lc_assets.sentinel2.item import Scene
    from lc_assets.settings import Settings

BAD_INPUT = 1
"""Exit status when a reference, a scene or a setting was at fault. (click itself uses 2 for a wrong command line.)"""


def said(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a fault that a person can mend into one line and a non-zero exit; no traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LandCoverError as error:
            click.secho(f"error: {error}", fg="red", err=True)
            sys.exit(BAD_INPUT)

    return wrapped


store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Folder in which everything is written.  [default: LC_ASSETS_STORE, else ./store]",
)
references = click.argument("references", nargs=-1, metavar="REFERENCE...")
from_option = click.option(
    "--from",
    "listed",
    type=click.File("r"),
    help="Read more references from this file, one a line; '-' reads standard input.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lc_assets.__version__, prog_name="lc-assets")
def main() -> None:
    """Sentinel-2 scenes in, land-cover maps out.

    A REFERENCE to a scene is one of: the URL of a STAC item (of the Planetary Computer, say), a bare item id, which is
    looked up among the registered items and then in the configured collection, a path to an item's JSON, or a folder
    with a catalog.json (all of its items).

    Settings come from the environment: LC_ASSETS_STORE, LC_ASSETS_MODEL, LC_ASSETS_STACK, LC_ASSETS_STAC_URL,
    LC_ASSETS_COLLECTION, DAGSTER_HOME (default ./.dagster), KERAS_BACKEND (default openvino).
    """


@main.command()
@references
@from_option
@store_option
@click.option("--stride", type=int, help="Step between 64 px windows in pixels; divides 64.  [default: 16]")
@click.option(
    "--mask-clouds/--no-mask-clouds",
    default=None,
    help="Call clouds and their shadows No Data (by SCL).  [default: mask]",
)
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's log.")
@said
def classify(
    references: tuple[str, ...],
    listed: Iterable[str] | None,
    store: Path | None,
    stride: int | None,
    mask_clouds: bool | None,
    verbose: bool,
) -> None:
    """Classify scenes: register, materialise all five assets of each, say what became of them.

    One scene that fails does not stop the others; the exit status is 1 when any failed.
    """
    settings = _settings(store)
    scenes, failures = _resolve(_all_references(references, listed), settings)
    config = {key: value for key, value in (("stride", stride), ("mask_clouds", mask_clouds)) if value is not None}
    from lc_assets.console import classify_all

    total = len(scenes) + len(failures)
    run_config = {"class_raster": {"config": config}} if config else {}
    failures += classify_all(settings, scenes, run_config, verbose=verbose)
    _finish(failures, total)


@main.command()
@references
@from_option
@store_option
@said
def register(references: tuple[str, ...], listed: Iterable[str] | None, store: Path | None) -> None:
    """Register scenes as partitions, without classifying them: the UI and the `dagster` commands can take over."""
    settings = _settings(store)
    scenes, failures = _resolve(_all_references(references, listed), settings)
    from lc_assets.console import register_all

    register_all(settings, scenes)
    _finish(failures, len(scenes) + len(failures))


@main.command()
@store_option
@click.option(
    "--scene",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo_scene"),
    show_default=True,
    help="Where the demo scene is written.",
)
@said
def demo(store: Path | None, folder: Path) -> None:
    """Write a synthetic scene, classify it, and say how much of it was classified right."""
    settings = _settings(store)
    from lc_assets.console import run_demo

    _finish(run_demo(settings, folder), 1)


@main.command()
@store_option
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
@said
def ui(store: Path | None, port: int) -> None:
    """Open Dagster's UI (`dagster dev`) on loopback, on the same instance and store."""
    settings = _settings(store)
    from lc_assets.home import ensure_home

    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LandCoverError(f"port {port} is taken", remedy="end what listens there, or name another with --port")
    # A shell that starts a background job lets it ignore interrupts, and Dagster's children inherit that for good.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ensure_home(settings.store)
    os.environ["LC_ASSETS_STORE"] = str(settings.store)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "lc_assets.definitions",
        "-m",
        "lc_assets.model_definitions",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    os.execv(sys.executable, command)


@main.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of labelled chips.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the model and its checkpoints.")
@click.option("--name", default="eurosat12-gap", show_default=True, help="Name in the contract.")
@click.option("--version", default="1", show_default=True, help="Version in the contract.")
@click.option("--steps", type=int, help="Steps of the fit.  [default: the recipe's]")
@click.option("--teacher-steps", type=int, help="Steps of the teacher's fit; 0: no teacher.  [default: the recipe's]")
@click.option("--ablation", is_flag=True, help="Also measure what each ingredient brings (six short fits more).")
@said
def train(data: Path, out: Path, ablation: bool, **options: Any) -> None:
    """Train a model from labelled chips: model.keras, its contract model.json, its card.

    DATA holds eurosat_ms.tif with its CSV (chips packed below each other) or EuroSAT's own <Class>/<name>.tif, and, if
    there, eurosat_rgb.zip and l2a_weak.tif with its CSV. Goes on where it was stopped. Needs the train extra.
    """
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from lc_assets.training.recipe import train as make

    document = make(data, out, ablate=ablation, **options)
    click.echo(f"done. To use it: export LC_ASSETS_MODEL={document.resolve()}")


@main.group()
def model() -> None:
    """Describe, check and judge models."""


model_file = click.argument("file", type=click.Path(path_type=Path), required=False)


def _model_item(file: Path | None) -> Path:
    """The MLM item that a user means: the file, `model.json` in the folder or beside the weights, or the configured
    one."""
    if file is None:
        return _settings(None).model
    if file.is_dir():
        return file / "model.json"
    return file.with_suffix(".json") if file.suffix == ".keras" else file


@model.command()
@model_file
@said
def describe(file: Path | None) -> None:
    """Print what a model promises. FILE: its .json, its .keras or their folder; by default the configured model."""
    from lc_assets.inference.models import read_contract

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
        "metrics": "\n".join(f"{split}: {_figures(value)}" for split, value in contract.metrics.items()),
        "hyperparameters": _figures(contract.hyperparameters),
    }
    for title, text in rows.items():
        for number, line in enumerate(str(text).splitlines()):
            click.echo(f"{title if number == 0 else '':<16}{line}")


def _figures(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_figures(v)}" for key, v in value.items() if not isinstance(v, dict))
    return str(value)


@model.command()
@model_file
@said
def check(file: Path | None) -> None:
    """Check that a model loads, fits its contract and predicts; and that its contract is valid STAC."""
    import json

    import numpy as np

    from lc_assets.inference.models import open_model
    from lc_assets.stac.validate import validate_offline

    item = _model_item(file)
    engine = open_model(item)
    contract = engine.contract
    problems = validate_offline(json.loads(item.read_text(encoding="utf-8")))
    chips = np.zeros((2, contract.chip_size, contract.chip_size, len(contract.bands)), np.float32)
    found = engine.probabilities(chips)
    if not np.isfinite(found).all() or not np.allclose(found.sum(axis=1), 1, atol=1e-3) or (found < 0).any():
        problems.append("its outputs are no probabilities (they must be positive and add up to 1: end in a softmax)")
    for problem in problems:
        click.secho(f"error: {problem}", fg="red", err=True)
    if problems:
        sys.exit(BAD_INPUT)
    click.echo(f"{contract.name} {contract.version}: fits its contract, runs on {engine.backend}, valid STAC")


@model.command()
@model_file
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of labelled chips, as for train.")
@said
def card(file: Path | None, data: Path) -> None:
    """Judge a model on the chips that are held out, and write its card (README.md and charts) beside it."""
    from lc_assets.evaluation.card import write_card

    click.echo(f"written: {write_card(_model_item(file), data)}")


def _settings(store: Path | None) -> Settings:
    if store is not None:
        os.environ["LC_ASSETS_STORE"] = str(store)
    from lc_assets.settings import Settings

    return Settings.from_environment()


def _all_references(given: tuple[str, ...], listed: Iterable[str] | None) -> list[str]:
    try:
        lines = [line.strip().lstrip("\ufeff") for line in listed or ()]
    except UnicodeDecodeError:
        raise LandCoverError("the list of references is no text", remedy="give one reference a line, UTF-8") from None
    found = [*given, *(line for line in lines if line and not line.startswith("#"))]
    if not found:
        raise click.UsageError("name at least one REFERENCE, or a file of them with --from")
    return found


def _resolve(references: list[str], settings: Settings) -> tuple[list[Scene], list[str]]:
    """Scenes to work on, each once, and what to say of the references that gave none."""
    from lc_assets.registry import Registry
    from lc_assets.sentinel2.references import Catalog, resolve
    from lc_assets.store import Store

    registry = Registry(Store(settings.store), Catalog(settings.stac_url, settings.collection))
    scenes: dict[str, Scene] = {}
    failures: list[str] = []
    for reference in references:
        for found in resolve(reference, registry.scene):
            if found.scene is None:
                failures.append(_named(without_query(found.reference), str(found.error)))
            elif found.scene.id in scenes and scenes[found.scene.id].document != found.scene.document:
                failures.append(
                    f"{without_query(found.reference)}: item {found.scene.id} was named twice with different contents "
                    "-> name one of them only; the first was taken"
                )
            else:
                scenes[found.scene.id] = found.scene
    for failure in failures:
        click.secho(f"error: {failure}", fg="red", err=True)
    return list(scenes.values()), failures


def _named(reference: str, error: str) -> str:
    """An error that names what it is about, once."""
    return error if reference in error else f"{reference}: {error}"


def _finish(failures: list[str], total: int) -> None:
    if failures and total > 1:
        click.secho(f"{len(failures)} of {total} failed:", fg="red", err=True)
        for failure in failures:
            click.echo(f"  {failure}", err=True)
    if failures:
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
