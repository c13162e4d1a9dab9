"""What the command line shows of a map's agreement with reference maps."""

from __future__ import annotations

from typing import Any

import click

from lc_assets.cli.instance import open_instance, register_scenes
from lc_assets.core.errors import LandCoverError, printable
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_common_definitions
from lc_assets.inference.class_map import ClassMap
from lc_assets.operations.keys import COMPARE
from lc_assets.operations.runs import run_scene
from lc_assets.products.agreement.references import check_names, check_reference
from lc_assets.products.agreement.scene import ASSET, read_document
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.store.layout import Store


def compare_all(settings: Settings, scenes: list[Scene], config: dict[str, Any]) -> list[str]:
    """Compare scenes one after the other, and print what was found; what to say of those that failed.

    Args:
        settings: in force.
        scenes: with a map.
        config: of `reference_agreement`.
    """
    failures = []
    with open_instance(settings) as instance:
        register_scenes(settings, instance, scenes)
        definitions = build_common_definitions(settings)
        for number, scene in enumerate(scenes, start=1):
            click.echo(f"[{number}/{len(scenes)}] {scene.id}")
            try:  # a mistake of the command line is none of the scene's: its records stay as they are
                _check(settings, scene, config)
            except LandCoverError as error:
                failures.append(str(error))
                click.secho(f"      failed: {error}", fg="red", err=True)
                continue
            outcome = run_scene(definitions, instance, scene.id, {ASSET: {"config": config}}, job=COMPARE)
            if outcome.error:
                failures.append(outcome.error)
                click.secho(f"      failed: {outcome.error}", fg="red", err=True)
                if outcome.interrupted:
                    break
                continue
            folder = Store.at(settings.store).scene(scene.id)
            for path in sorted(v for k, v in outcome.metadata[ASSET].items() if k.endswith("_folder")):
                _show(read_document(folder, str(path).rsplit("/", 1)[-1]), str(path))
    return failures


def _check(settings: Settings, scene: Scene, config: dict[str, Any]) -> None:
    """Raise what can be known before anything is run: no map, no such reference, a faulty crosswalk."""
    folder = Store.at(settings.store).scene(scene.id)
    ClassMap.open(folder.classified, folder.confidence, scene.id)
    references = config.get("references") or settings.references
    check_names(references)
    for named in references:
        check_reference(named, scene, config.get("crosswalk"), settings.crosswalk or None)


def compare_with_truth(settings: Settings, scene: Scene) -> list[str]:
    """Hold a scene's map against the truth that its item has, and print how much is right; what to say if that
    failed."""
    with open_instance(settings) as instance:
        config = {ASSET: {"config": {"references": ["truth"]}}}
        outcome = run_scene(build_common_definitions(settings), instance, scene.id, config, job=COMPARE)
    if outcome.error:
        click.secho(f"failed: {outcome.error}", fg="red", err=True)
        return [outcome.error]
    found = read_document(Store.at(settings.store).scene(scene.id), "truth")
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
    click.secho(printable(f"      {found['reference']['title']}"), bold=True)
    if full["overall"] is None:
        click.secho("      nothing could be scored: see not_scored in agreement.json", fg="yellow", err=True)
    else:
        low, high = sample["overall"]["interval"] or (None, None)
        click.echo(
            f"      agrees on {100 * full['overall']:.1f} % of {pixels['scored']:,} px; a sample of "
            f"{sample['pixels']:,} says {_percent(sample['overall']['value'])} % ({_span(low, high)})"
        )
        width = max(23, *(len(row["group"]) for row in full["groups"]))
        click.echo(f"        {'counted on all pixels':<{width}}   user's  producer's   ha by the reference")
        for known in full["groups"]:
            hectares = known["reference_hectares"]
            shares = f"{_percent(known['users']):>7} {_percent(known['producers']):>11}"
            area = f"{0 if hectares is None else hectares:21,.0f}"
            click.echo(f"        {printable(known['group']):<{width}}  {shares} {area}")
        click.echo(
            f"        {'estimated by the sample':<{width}}   user's (95 %)           producer's (95 %)       ha (95 %)"
        )
        for guess in sample["groups"]:
            shares = "  ".join(f"{_estimate(guess[name]):<22}" for name in ("users", "producers"))
            click.echo(f"        {printable(guess['group']):<{width}}  {shares}  {_area(guess['reference_hectares'])}")
    for row in found["not_scored"]:
        click.echo(printable(f"        not scored: {row['side']} {row['class']}, {row['pixels']:,} px: {row['why']}"))
    click.echo(printable(f"      {folder}"))


def _estimate(guess: dict[str, Any]) -> str:
    """A figure and its own interval; none where the sample met no variety: it has no width then, and means nothing."""
    low, high = guess["interval"] or (None, None)
    return f"{_percent(guess['value']):>6} ({'no interval' if low is None or low == high else _span(low, high)})"


def _area(guess: dict[str, Any]) -> str:
    low, high = guess["interval"]
    return "n/a" if low is None else f"{guess['value']:,.0f} ({low:,.0f} to {high:,.0f})"


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def _span(low: float | None, high: float | None) -> str:
    return "n/a" if low is None else f"{_percent(low)} to {_percent(high)}"
