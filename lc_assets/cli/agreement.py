"""`lc-assets agreement`: how far the maps of classified scenes agree with reference maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.completion import complete_references
from lc_assets.cli.instance import open_instance, register_scenes
from lc_assets.cli.options import (
    echo_error,
    exit_if_failed,
    from_option,
    read_scene_refs,
    resolve_scenes,
    settings_with,
    store_option,
    user_errors,
)
from lc_assets.core.errors import LandCoverError, printable

if TYPE_CHECKING:
    from lc_assets.core.settings import Settings
    from lc_assets.sentinel2.item.scene import Scene


@click.command()
@click.argument("items", nargs=-1, metavar="[ITEM]...", shell_complete=complete_references)
@from_option
@store_option
@click.option(
    "--reference",
    "reference_maps",
    multiple=True,
    metavar="NAME|PATH|URL",
    help="What to compare with: esa-worldcover, io-lulc-annual-v02, truth (the item's own asset), or a GeoTIFF of "
    "class codes; may be repeated.  [default: LC_ASSETS_REFERENCE, else the first two]",
)
@click.option(
    "--crosswalk",
    metavar="FILE",
    help="CSV that relates the reference's classes to the map's; needed for a raster of your own.",
)
@click.option("--samples", type=click.IntRange(20, 1_000_000), help="Pixels of the random sample.  [default: 3000]")
@click.option("--seed", type=click.IntRange(0), help="Seed of the random sample.  [default: 0]")
@user_errors
def agreement(
    items: tuple[str, ...],
    listed: Iterable[str] | None,
    store: str | None,
    reference_maps: tuple[str, ...],
    crosswalk: str | None,
    samples: int | None,
    seed: int | None,
) -> None:
    """Show how far the maps of classified scenes agree with reference maps.

    Figures with 95 % intervals go to agreement/<reference>/ in the scene's folder, with a raster of where both
    disagree. An ITEM is named as for classify: by its id, by words such as 33UUB 2024-06-21, its URL, or the path of
    its JSON.
    """
    settings = settings_with(store)
    scenes, failures = resolve_scenes(read_scene_refs(items, listed, "ITEM"), settings)
    total = len(scenes) + len(failures)
    options = {"references": list(reference_maps), "crosswalk": crosswalk, "samples": samples, "seed": seed}
    failures += _compare_all(settings, scenes, {name: value for name, value in options.items() if value})
    exit_if_failed(failures, total)


def _compare_all(settings: Settings, scenes: list[Scene], config: dict[str, Any]) -> list[str]:
    """Compare the maps of scenes, one after the other, and print the figures.

    Args:
        settings: store, instance, reference maps.
        scenes: scenes that have a map.
        config: config of the op `reference_agreement`.

    Returns:
        One error per scene that failed. After an interrupt the remaining scenes are not run.
    """
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.keys import COMPARE
    from lc_assets.operations.runs import run_scene
    from lc_assets.products.agreement.scene import ASSET, read_document
    from lc_assets.store.layout import Store

    failures = []
    with open_instance(settings) as instance:
        register_scenes(settings, instance, scenes)
        definitions = build_definitions(settings)
        for number, scene in enumerate(scenes, start=1):
            click.echo(f"[{number}/{len(scenes)}] {scene.id}")
            try:  # checked before the run: a wrong command line must not leave a failed run in the scene's records
                _check(settings, scene, config)
            except LandCoverError as error:
                failures.append(str(error))
                echo_error(error, "      failed")
                continue
            result = run_scene(definitions, instance, scene.id, {ASSET: {"config": config}}, job=COMPARE)
            if result.error:
                failures.append(result.error)
                echo_error(result.error, "      failed")
                if result.interrupted:
                    break
                continue
            layout = Store.at(settings.store).scene(scene.id)
            for folder in sorted(str(v) for k, v in result.metadata[ASSET].items() if k.endswith("_folder")):
                _show(read_document(layout, folder.rsplit("/", 1)[-1]), folder)
    return failures


def _check(settings: Settings, scene: Scene, config: dict[str, Any]) -> None:
    """Raise a `LandCoverError` if the scene has no map, a reference map is unknown, or the crosswalk is not valid."""
    from lc_assets.inference.class_map import ClassMap
    from lc_assets.products.agreement.references import check_names, check_reference
    from lc_assets.store.layout import Store

    layout = Store.at(settings.store).scene(scene.id)
    ClassMap.open(layout)
    reference_maps = config.get("references") or settings.references
    check_names(reference_maps)
    for reference_map in reference_maps:
        check_reference(reference_map, scene, config.get("crosswalk"), settings.crosswalk or None)


def compare_with_truth(settings: Settings, scene: Scene) -> list[str]:
    """Compare a scene's map with the truth in its item, and print the share of pixels that are right.

    Returns:
        The error, if the comparison failed.
    """
    from lc_assets.defs.build import build_definitions
    from lc_assets.operations.keys import COMPARE
    from lc_assets.operations.runs import run_scene
    from lc_assets.products.agreement.scene import ASSET, read_document
    from lc_assets.store.layout import Store

    with open_instance(settings) as instance:
        config = {ASSET: {"config": {"references": ["truth"]}}}
        result = run_scene(build_definitions(settings), instance, scene.id, config, job=COMPARE)
    if result.error:
        echo_error(result.error, "failed")
        return [result.error]
    document = read_document(Store.at(settings.store).scene(scene.id), "truth")
    counted = document["full_count"]
    truth_pixels = [sum(column) for column in zip(*counted["matrix"], strict=True)]
    truth = document["reference"]["rasters"][0]["href"].rsplit("/", 1)[-1]
    click.secho(f"\n{100 * counted['overall']:.1f} % of the pixels are classified right (against {truth})", bold=True)
    for row, pixels in zip(counted["groups"], truth_pixels, strict=True):
        if pixels:
            click.echo(f"  {row['group']:<24}{100 * row['producers']:6.1f} % of {pixels:>9,} px found")
    return []


def _show(document: dict[str, Any], folder: str) -> None:
    """Print one comparison: the overall agreement, a table per group of classes, and what is not scored."""
    pixels, counted, sample = document["pixels"], document["full_count"], document["sample"]
    click.secho(printable(f"      {document['reference']['title']}"), bold=True)
    if counted["overall"] is None:
        click.secho("      nothing could be scored: see not_scored in agreement.json", fg="yellow", err=True)
    else:
        low, high = sample["overall"]["interval"] or (None, None)
        click.echo(
            f"      agrees on {100 * counted['overall']:.1f} % of {pixels['scored']:,} px; a sample of "
            f"{sample['pixels']:,} says {_percent(sample['overall']['value'])} % ({_interval(low, high)})"
        )
        width = max(23, *(len(row["group"]) for row in counted["groups"]))
        click.echo(f"        {'counted on all pixels':<{width}}   user's  producer's   ha by the reference")
        for row in counted["groups"]:
            hectares = row["reference_hectares"]
            shares = f"{_percent(row['users']):>7} {_percent(row['producers']):>11}"
            area = f"{0 if hectares is None else hectares:21,.0f}"
            click.echo(f"        {printable(row['group']):<{width}}  {shares} {area}")
        click.echo(
            f"        {'estimated by the sample':<{width}}   user's (95 %)           producer's (95 %)       ha (95 %)"
        )
        for row in sample["groups"]:
            shares = "  ".join(f"{_estimate(row[name]):<22}" for name in ("users", "producers"))
            click.echo(f"        {printable(row['group']):<{width}}  {shares}  {_area(row['reference_hectares'])}")
    for row in document["not_scored"]:
        click.echo(printable(f"        not scored: {row['side']} {row['class']}, {row['pixels']:,} px: {row['why']}"))
    click.echo(printable(f"      {folder}"))


def _estimate(estimate: dict[str, Any]) -> str:
    """A share and its interval in percent. An interval of no width, from a sample without variance, is left out."""
    low, high = estimate["interval"] or (None, None)
    interval = "no interval" if low is None or low == high else _interval(low, high)
    return f"{_percent(estimate['value']):>6} ({interval})"


def _area(estimate: dict[str, Any]) -> str:
    low, high = estimate["interval"]
    return "n/a" if low is None else f"{estimate['value']:,.0f} ({low:,.0f} to {high:,.0f})"


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def _interval(low: float | None, high: float | None) -> str:
    return "n/a" if low is None else f"{_percent(low)} to {_percent(high)}"
