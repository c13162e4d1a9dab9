"""What the command line shows of a map's agreement with reference maps."""

from __future__ import annotations

from typing import Any

import click

from lc_assets.console import keep, opened
from lc_assets.definitions import build_common_definitions
from lc_assets.jobs import COMPARE
from lc_assets.reference.scene import ASSET, read_document
from lc_assets.running import run_scene
from lc_assets.sentinel2.item import Scene
from lc_assets.settings import Settings
from lc_assets.store import Store


def compare_all(settings: Settings, scenes: list[Scene], config: dict[str, Any]) -> list[str]:
    """Compare scenes one after the other, and print what was found; what to say of those that failed.

    Args:
        settings: in force.
        scenes: with a map.
        config: of `reference_agreement`.
    """
    failures = []
    with opened(settings) as instance:
        keep(settings, instance, scenes)
        definitions = build_common_definitions(settings)
        for number, scene in enumerate(scenes, start=1):
            click.echo(f"[{number}/{len(scenes)}] {scene.id}")
            outcome = run_scene(definitions, instance, scene.id, {ASSET: {"config": config}}, job=COMPARE)
            if outcome.error:
                failures.append(outcome.error)
                click.secho(f"      failed: {outcome.error}", fg="red", err=True)
                if outcome.interrupted:
                    break
                continue
            folder = Store(settings.store).scene(scene.id)
            for path in sorted(v for k, v in outcome.metadata[ASSET].items() if k.endswith("_folder")):
                _show(read_document(folder, str(path).rsplit("/", 1)[-1]), str(path))
    return failures


def compare_with_truth(settings: Settings, scene: Scene) -> list[str]:
    """Hold a scene's map against the truth that its item has, and print how much is right; what to say if that
    failed."""
    with opened(settings) as instance:
        config = {ASSET: {"config": {"references": ["truth"]}}}
        outcome = run_scene(build_common_definitions(settings), instance, scene.id, config, job=COMPARE)
    if outcome.error:
        click.secho(f"failed: {outcome.error}", fg="red", err=True)
        return [outcome.error]
    found = read_document(Store(settings.store).scene(scene.id), "truth")
    full, sizes = found["full_count"], [sum(column) for column in zip(*found["full_count"]["matrix"], strict=True)]
    against = found["reference"]["rasters"][0]["href"].rsplit("/", 1)[-1]
    click.secho(f"\n{100 * full['overall']:.1f} % of the pixels are classified right (against {against})", bold=True)
    for row, pixels in zip(full["groups"], sizes, strict=True):
        if pixels:
            click.echo(f"  {row['group']:<24}{100 * row['producers']:6.1f} % of {pixels:>9,} px found")
    return []


def _show(found: dict[str, Any], folder: str) -> None:
    """One comparison: overall, per group, what was left out."""
    pixels, full, sample = found["pixels"], found["full_count"], found["sample"]
    click.secho(f"      {found['reference']['title']}", bold=True)
    if full["overall"] is None:
        click.secho("      nothing could be scored: see not_scored in agreement.json", fg="yellow", err=True)
    else:
        low, high = sample["overall"]["interval"] or (None, None)
        click.echo(
            f"      agrees on {100 * full['overall']:.1f} % of {pixels['scored']:,} px; a sample of "
            f"{sample['pixels']:,} says {_percent(sample['overall']['value'])} % ({_span(low, high)})"
        )
        width = max(len(row["group"]) for row in full["groups"])
        click.echo(f"        {'':<{width}}  user's % (95 %)         producer's % (95 %)     reference ha")
        for known, guess in zip(full["groups"], sample["groups"], strict=True):
            hectares = known["reference_hectares"]
            click.echo(
                f"        {known['group']:<{width}}  {_both(known['users'], guess['users'])}  "
                f"{_both(known['producers'], guess['producers'])}  {0 if hectares is None else hectares:12,.0f}"
            )
    for row in found["not_scored"]:
        click.echo(f"        not scored: {row['side']} {row['class']}, {row['pixels']:,} px: {row['why']}")
    click.echo(f"      {folder}")


def _both(known: float | None, guess: dict[str, Any]) -> str:
    low, high = guess["interval"]
    return f"{_percent(known):>5} ({_span(low, high)})".ljust(22)


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def _span(low: float | None, high: float | None) -> str:
    return "n/a" if low is None else f"{_percent(low)} to {_percent(high)}"
