"""`lc-assets agreement`: how far the maps of classified scenes agree with reference maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.options import exit_if_failed, for_each_scene, resolve_scenes, scene_references, with_session
from lc_assets.cli.session import Session
from lc_assets.core.errors import printable

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.sentinel2.item.scene import Scene


@click.command()
@scene_references
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
@with_session
def agreement(
    session: Session,
    scene_refs: tuple[str, ...],
    listed: Iterable[str] | None,
    reference_maps: tuple[str, ...],
    **sampling: Any,
) -> None:
    """Show how far the maps of classified scenes agree with reference maps.

    Figures with 95 % intervals go to agreement/<reference>/ in the scene's folder, with a raster of where both
    disagree. A REFERENCE is that of classify: an id, words such as 33UUB 2024-06-21, a URL, or the path of a JSON.
    """
    from lc_assets.products.agreement.scene import read_document

    scenes, failures = resolve_scenes(session, scene_refs, listed)
    total = len(scenes) + len(failures)
    options = {"references": list(reference_maps), **sampling}
    config = {name: value for name, value in options.items() if value}
    with session.open_instance() as instance:
        session.register(instance, scenes)

        def compare(scene: Scene) -> None:
            _check(session, scene, config)  # before the run: a wrong command line must leave no failed run
            made = _compare(session, instance, scene, config)
            layout = session.store.scene(scene.id)
            for folder in sorted(str(value) for name, value in made.items() if name.endswith("_folder")):
                _show(read_document(layout, folder.rsplit("/", 1)[-1]), folder)

        failures += for_each_scene(scenes, compare)
    exit_if_failed(failures, total)


def _check(session: Session, scene: Scene, config: dict[str, Any]) -> None:
    """Raise a `LandCoverError` if the scene has no map, a reference map is unknown, or the crosswalk is not valid."""
    from lc_assets.inference.class_map import ClassMap
    from lc_assets.products.agreement.references import check_names, check_reference

    ClassMap.open(session.store.scene(scene.id))
    reference_maps = config.get("references") or session.settings.references
    check_names(reference_maps)
    for reference_map in reference_maps:
        check_reference(reference_map, scene, config.get("crosswalk"), session.settings.crosswalk or None)


def _compare(session: Session, instance: DagsterInstance, scene: Scene, config: dict[str, Any]) -> dict[str, Any]:
    """Run the asset `reference_agreement` with a config. Returns its metadata.

    Raises:
        LandCoverError: the run failed.
    """
    from lc_assets.operations.keys import COMPARE
    from lc_assets.operations.runs import run_scene
    from lc_assets.products.agreement.scene import ASSET

    result = run_scene(session.definitions, instance, scene.id, {ASSET: {"config": config}}, job=COMPARE)
    result.raise_if_failed(scene.id)
    return result.metadata[ASSET]


def compare_with_truth(session: Session, scene: Scene) -> None:
    """Compare a scene's map with the truth in its item, and print the share of pixels that are right.

    Raises:
        LandCoverError: the comparison failed.
    """
    from lc_assets.products.agreement.scene import read_document

    with session.open_instance() as instance:
        _compare(session, instance, scene, {"references": ["truth"]})
    document = read_document(session.store.scene(scene.id), "truth")
    counted = document["full_count"]
    truth_pixels = [sum(column) for column in zip(*counted["matrix"], strict=True)]
    truth = document["reference"]["rasters"][0]["href"].rsplit("/", 1)[-1]
    click.secho(f"\n{100 * counted['overall']:.1f} % of the pixels are classified right (against {truth})", bold=True)
    for row, pixels in zip(counted["groups"], truth_pixels, strict=True):
        if pixels:
            click.echo(f"  {row['group']:<24}{100 * row['producers']:6.1f} % of {pixels:>9,} px found")


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
