"""What `lc-assets demo` does: a synthetic scene, classified, and held against its truth."""

from __future__ import annotations

import time
from pathlib import Path

import click

from lc_assets.cli.classify import classify_all, shown_path
from lc_assets.core.settings import Settings
from lc_assets.store.layout import Store


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
        click.echo(f"\nTo look at it: open {shown_path(Store.at(settings.store).scene(scene.id).report)} in a browser,")
        click.echo("or Dagster's UI: make ui (or: lc-assets ui), then http://127.0.0.1:3000")
    return failures
