"""What the command line shows while it works: progress, results, the demo's figures."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import click
from dagster import DagsterInstance

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.progress import listening
from lc_assets.core.settings import Settings
from lc_assets.definitions import build_definitions
from lc_assets.defs.jobs import CLASSIFY
from lc_assets.operations.dagster_home import ensure_home
from lc_assets.operations.runs import ASSET_NAMES, Outcome, heal, register, run_scene
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.registry import Registry
from lc_assets.store.layout import SceneFolder, Store
from lc_assets.store.paths import ObjectPath, Place

_BAR = 28
_LINE = 100


def classify_all(settings: Settings, scenes: list[Scene], config: dict[str, Any], *, verbose: bool) -> list[str]:
    """Classify scenes one after the other; what to say of those that failed."""
    failures = []
    with opened(settings) as instance:
        keep(settings, instance, scenes)
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
                _show(outcome, Store(settings.store).scene(scene.id))
    return failures


def register_all(settings: Settings, scenes: list[Scene]) -> None:
    """Register scenes and say what to do next."""
    with opened(settings) as instance:
        new = keep(settings, instance, scenes)
    for scene in scenes:
        click.echo(f"{'registered' if scene.id in new else 'known already'}: {scene.id}")
    if scenes:
        click.echo("Next: lc-assets ui, or, in an activated .venv:")
        click.echo(f"  dagster asset materialize --select '*' --partition {scenes[0].id}")
        click.echo("  lc-assets backfill  (the UI's daemon works it off), or one of chosen scenes:")
        click.echo(f"  dagster job backfill -j {CLASSIFY} --partitions ID1,ID2 --noprompt  (the UI's daemon runs them)")


def run_demo(settings: Settings, folder: Path) -> list[str]:
    """Write the demo scene, classify it, hold the map against its truth."""
    from lc_assets.cli.agreement_steps import compare_with_truth
    from lc_assets.demo.scene import write_demo_scene
    from lc_assets.sentinel2.item.scene import parse_scene, read_document

    started = time.perf_counter()
    path = write_demo_scene(folder)
    click.echo(f"demo scene written to {folder} ({time.perf_counter() - started:.1f} s)")
    scene = parse_scene(read_document(path), base=path)
    failures = classify_all(settings, [scene], {}, verbose=False)
    if not failures:
        failures = compare_with_truth(settings, scene)
        click.echo(f"\nTo look at it: open {_short(Store(settings.store).scene(scene.id).report)} in a browser,")
        click.echo("or Dagster's UI: make ui (or: lc-assets ui), then http://127.0.0.1:3000")
    return failures


def opened(settings: Settings) -> DagsterInstance:
    """The instance of DAGSTER_HOME; runs of dead processes in it are told so."""
    ensure_home(settings.store)
    # Child processes and the definitions module read the store from the environment.
    os.environ["LC_ASSETS_STORE"] = str(settings.store)
    instance = DagsterInstance.get()
    healed = heal(instance)
    if healed:
        click.echo(f"{healed} run(s) of processes that died have been marked as failed", err=True)
    return instance


def keep(settings: Settings, instance: DagsterInstance, scenes: list[Scene]) -> list[str]:
    """Register scenes, in the store and as partitions; the ids that are new."""
    registry = Registry(Store(settings.store), settings.catalog)
    for scene in scenes:
        registry.register(scene)
    return register(instance, [scene.id for scene in scenes])


def _run(definitions: Any, instance: DagsterInstance, item: str, config: dict[str, Any], verbose: bool) -> Outcome:
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
        with listening(None, None if verbose else tell):
            return run_scene(definitions, instance, item, config, verbose=verbose)
    draw()
    with listening(draw, tell):
        outcome = run_scene(definitions, instance, item, config, on_asset=on_asset)
    click.echo(f"\r{' ' * (_LINE + 6)}\r", nl=False)
    return outcome


def _show(outcome: Outcome, folder: SceneFolder) -> None:
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
        click.echo(f"      {name:<16}{seconds:8.2f} s  {_short(paths[name])}")
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


def _short(path: Place) -> str:
    if isinstance(path, ObjectPath):
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
