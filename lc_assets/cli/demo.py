"""`lc-assets demo`: write a synthetic scene, classify it, and compare the map with its truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.agreement import compare_with_truth
from lc_assets.cli.classify import classify_all, shown_path
from lc_assets.cli.options import exit_if_failed, settings_with, store_option, user_errors

if TYPE_CHECKING:
    from lc_assets.core.settings import Settings


@click.command()
@store_option
@click.option(
    "--scene",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo_scene"),
    show_default=True,
    help="Where the demo scene is written.",
)
@user_errors
def demo(store: str | None, folder: Path) -> None:
    """Write a synthetic scene, classify it, and compare the map with its truth: how much is right."""
    exit_if_failed(_run_demo(settings_with(store), folder), 1)


def _run_demo(settings: Settings, folder: Path) -> list[str]:
    """Write the demo scene to `folder`, classify it, and compare the map with its truth. Returns what failed."""
    from lc_assets.demo.scene import write_demo_scene
    from lc_assets.sentinel2.item.scene import parse_scene, read_document
    from lc_assets.store.layout import Store

    started = time.perf_counter()
    path = write_demo_scene(folder)
    click.echo(f"demo scene written to {folder} ({time.perf_counter() - started:.1f} s)")
    scene = parse_scene(read_document(path), base=path)
    failures = classify_all(settings, [scene], {}, verbose=False)
    if not failures:
        failures = compare_with_truth(settings, scene)
        click.echo(f"\nTo look at it: open {shown_path(Store.at(settings.store).scene(scene.id).report)} in a browser,")
        click.echo("or Dagster's UI: make ui (or: lc-assets ui), then http://127.0.0.1:3000")
    return failures
