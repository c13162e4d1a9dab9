"""What the command line shows while it works: progress, results, the demo's figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from dagster import DagsterInstance

from lc_assets.cli.instance import open_instance, register_scenes
from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.progress import progress_callbacks
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.operations.keys import ASSET_NAMES, CLASSIFY
from lc_assets.operations.runs import RunResult, run_scene
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath

_BAR = 28
_LINE = 100


def classify_all(settings: Settings, scenes: list[Scene], config: dict[str, Any], *, verbose: bool) -> list[str]:
    """Classify scenes one after the other; what to say of those that failed."""
    failures = []
    with open_instance(settings) as instance:
        register_scenes(settings, instance, scenes)
        definitions = build_definitions(settings)
        for number, scene in enumerate(scenes, start=1):
            click.echo(f"[{number}/{len(scenes)}] {scene.id}")
            outcome = _run(definitions, instance, scene.id, config, verbose)
            if outcome.error:
                failures.append(outcome.error if scene.id in outcome.error else f"item {scene.id}: {outcome.error}")
                click.secho(f"      failed: {outcome.error}", fg="red", err=True)
                if outcome.interrupted:
                    break
            else:
                _show(outcome, Store.at(settings.store).scene(scene.id))
    return failures


def register_all(settings: Settings, scenes: list[Scene]) -> None:
    """Register scenes and say what to do next."""
    with open_instance(settings) as instance:
        new = register_scenes(settings, instance, scenes)
    for scene in scenes:
        click.echo(f"{'registered' if scene.id in new else 'known already'}: {scene.id}")
    if scenes:
        click.echo("Next: lc-assets ui, or, in an activated .venv:")
        click.echo(f"  dagster asset materialize --select '*' --partition {scenes[0].id}")
        click.echo("  lc-assets backfill  (the UI's daemon works it off), or one of chosen scenes:")
        click.echo(f"  dagster job backfill -j {CLASSIFY} --partitions ID1,ID2 --noprompt  (the UI's daemon runs them)")


def _run(definitions: Any, instance: DagsterInstance, item: str, config: dict[str, Any], verbose: bool) -> RunResult:
    done: list[str] = []
    terminal = sys.stdout.isatty() and not verbose

    def draw(share: float = 0.0, words: str = "") -> None:
        # Rows of the class map are what takes long: the bar is theirs while they come.
        filled = int(_BAR * (share or len(done) / len(ASSET_NAMES)))
        coming = ASSET_NAMES[len(done)] if len(done) < len(ASSET_NAMES) else "done"
        text = f"{'#' * filled}{'.' * (_BAR - filled)} {coming} {words}"
        click.echo(f"\r      {text:<{_LINE}}", nl=False)

    def on_asset(name: str) -> None:
        done.append(name)
        draw()

    def tell(line: str) -> None:
        click.secho(f"\r{f'      {line}':<{_LINE + 6}}" if terminal else f"      {line}", fg="yellow", err=True)

    if not terminal:
        with progress_callbacks(None, None if verbose else tell):
            return run_scene(definitions, instance, item, config, verbose=verbose)
    draw()
    with progress_callbacks(draw, tell):
        outcome = run_scene(definitions, instance, item, config, on_asset=on_asset)
    click.echo(f"\r{' ' * (_LINE + 6)}\r", nl=False)
    return outcome


def _show(outcome: RunResult, folder: SceneLayout) -> None:
    """Where each asset lies and how long it took; the class shares."""
    paths = {
        "raw_bands": folder.raw_bands,
        "resampled_stack": folder.resampled_stack,
        "class_raster": folder.classified,
        "overview": folder.overview,
        "report": folder.report,
        "catalog": folder.catalog,
    }
    for name in ASSET_NAMES:
        seconds = outcome.metadata[name].get("seconds", 0)
        click.echo(f"      {name:<16}{seconds:8.2f} s  {shown_path(paths[name])}")
    report = outcome.metadata["class_raster"]
    shares = [(c.title, float(report[f"percent_{c.name.replace(' ', '')}"])) for c in ALL_CLASSES]
    listed = ", ".join(
        f"{title} {share:.1f} %" for title, share in sorted(shares, key=lambda s: -s[1]) if share >= 0.05
    )
    click.echo(f"      {listed}")
    if shares[-1][1] == 100:
        click.secho("      warning: no pixel could be classified; the map is all No Data", fg="yellow", err=True)
    for warning in outcome.warnings:
        click.secho(f"      warning: {warning}", fg="yellow", err=True)
    sure = report["mean_confidence_percent"]
    confidence = f"mean confidence {sure:.0f} %" if shares[-1][1] < 100 else "no confidence"
    click.echo(f"      {outcome.seconds:.1f} s in all, {confidence}, run {outcome.run_id[:8]}")


def shown_path(path: StorePath) -> str:
    """A path as a person types it here: relative where it lies below the working folder."""
    if isinstance(path, ObjectPath):
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
