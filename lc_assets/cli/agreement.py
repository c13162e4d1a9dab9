"""`lc-assets agreement`: how far classified scenes agree with reference maps."""

from __future__ import annotations

from collections.abc import Iterable

import click

from lc_assets.cli.options import (
    all_references,
    finish,
    from_option,
    resolved,
    settings_with,
    store_option,
    user_errors,
)


@click.command()
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@from_option
@store_option
@click.option(
    "--reference",
    "references",
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
@click.option("--seed", type=click.IntRange(0), help="Which sample.  [default: 0]")
@user_errors
def agreement(
    items: tuple[str, ...],
    listed: Iterable[str] | None,
    store: str | None,
    references: tuple[str, ...],
    crosswalk: str | None,
    samples: int | None,
    seed: int | None,
) -> None:
    """Say how far the maps of classified scenes agree with reference maps.

    Figures with 95 % intervals go to agreement/<reference>/ in the scene's folder, with a raster of where both
    disagree. An ITEM is named as for classify: by its id, its URL, or the path of its JSON.
    """
    settings = settings_with(store)
    scenes, failures = resolved(all_references(items, listed, "ITEM"), settings)
    from lc_assets.cli.agreement_steps import compare_all

    total = len(scenes) + len(failures)
    config = {"references": list(references), "crosswalk": crosswalk, "samples": samples, "seed": seed}
    failures += compare_all(settings, scenes, {key: value for key, value in config.items() if value})
    finish(failures, total)
