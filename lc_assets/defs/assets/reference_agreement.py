"""reference_agreement: how far the class map agrees with other maps of the same area."""

from typing import Any

import dagster as dg
from pydantic import Field

from lc_assets.defs.assets.class_raster import class_raster
from lc_assets.defs.check_results import scene_result
from lc_assets.defs.failures import raise_as_dagster_failure
from lc_assets.defs.metadata import inline, picture, table
from lc_assets.defs.partitions import scenes
from lc_assets.defs.resources import ReferenceResource, StoreResource
from lc_assets.products.agreement.estimators import Estimate
from lc_assets.products.agreement.pictures import disagreement_image
from lc_assets.products.agreement.references import check_names
from lc_assets.products.agreement.scene import DISAGREEMENT, SAMPLES, Agreement, compare_scene
from lc_assets.raster.inline_svg import inline_map
from lc_assets.raster.render import read_codes_for_display
from lc_assets.store.paths import gdal_path

ENOUGH = 0.6
"""The check warns below this agreement. The best global 10 m maps are right on about three quarters of the ground."""
_INLINE_SIDE = 240


class AgreementConfig(dg.Config):
    """Reference maps, crosswalk, and size and seed of the sample."""

    references: list[str] = Field(
        default=[],
        description="esa-worldcover, io-lulc-annual-v02, truth (the item's own asset), or paths or URLs of GeoTIFFs of "
        "class codes; none: those of LC_ASSETS_REFERENCE, else the first two.",
    )
    crosswalk: str = Field(default="", description="CSV that relates the legends; needed for your own rasters.")
    samples: int = Field(default=SAMPLES, ge=20, le=1_000_000, description="Pixels of the stratified random sample.")
    seed: int = Field(default=0, ge=0, description="Which sample: the same seed draws the same pixels.")


@dg.asset(
    partitions_def=scenes,
    deps=[class_raster.key],
    group_name="accuracy",
    kinds={"cog", "csv"},
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "agrees_enough",
            asset="reference_agreement",
            description=f"Map and reference agree on at least {ENOUGH:.0%} of the pixels that can be scored, with each "
            "reference, by the full count.",
        )
    ],
)
def reference_agreement(
    context: dg.AssetExecutionContext, config: AgreementConfig, store: StoreResource, reference: ReferenceResource
) -> dg.MaterializeResult:
    """How far the class map agrees with other maps of the same area: ESA WorldCover and the annual 10 m land use / land
    cover of the Planetary Computer, or any raster of classes.

    This asset is optional: no other asset waits for it. The reference map of the nearest year is resampled to the
    scene's grid by mode. A crosswalk (a CSV with a comment per line) maps both legends to common groups. Classes
    without a counterpart are counted, but not scored. Overall agreement, user's and producer's accuracy and areas are
    estimated from a stratified sample, with 95 % intervals (Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015). The
    same figures over all pixels are given beside them.

    Agreement is not accuracy: a reference map has its own errors (the authors of WorldCover found its version of 2021
    77 % right).
    """
    item = context.partition_key
    found: list[Agreement] = []
    metadata: dict[str, Any] = {}
    references = list(dict.fromkeys(config.references or reference.names))
    with raise_as_dagster_failure(retry_number=context.retry_number):
        check_names(references)
        scene = reference.scene(item)
        for named in references:
            wanted = reference.find(named, scene, config.crosswalk)
            context.log.info(
                "%s: %d rasters, by the crosswalk %s", wanted.title, len(wanted.tiles), wanted.crosswalk.name
            )
            agreement = compare_scene(
                store.store().scene(item),
                wanted,
                samples=config.samples,
                seed=config.seed,
                retry_policy=reference.items.retry_policy,
            )
            found.append(agreement)
            metadata |= _metadata(agreement)
    return dg.MaterializeResult(metadata=metadata, check_results=[_check(item, found)])


def _check(item: str, found: list[Agreement]) -> dg.AssetCheckResult:
    shares = {agreement.reference.name: agreement.compared.full.overall.value for agreement in found}
    empty = [name for name, share in shares.items() if share is None]
    known = [share for share in shares.values() if share is not None]
    return scene_result(
        item,
        "agrees_enough",
        passed=not empty and min(known, default=0.0) >= ENOUGH,
        warn=True,
        description=f"nothing could be scored against {', '.join(empty)}: no class has a counterpart in the other "
        "legend, or all pixels are no data"
        if empty
        else "; ".join(f"{_percent(share)} % with {name}" for name, share in shares.items())
        + f", limit {100 * ENOUGH:.0f} %",
        metadata={
            "limit_percent": 100 * ENOUGH,
            **{f"{_key(name)}_percent": _percent(share) for name, share in shares.items() if share is not None},
        },
    )


def _metadata(agreement: Agreement) -> dict[str, Any]:
    """Metadata of one comparison. The keys begin with the reference's name, so the UI plots each over the scenes.

    The document `agreement.json` in the folder has all figures.
    """
    compared, reference = agreement.compared, agreement.reference
    codes, pixel_size = read_codes_for_display(gdal_path(agreement.folder / DISAGREEMENT), _INLINE_SIDE)
    facts: dict[str, Any] = {
        "agreement_percent": _percent(compared.full.overall.value),
        "where": inline(inline_map(codes, "agreement light, disagreement dark", pixel_size, disagreement_image)),
        "groups": table(_groups(agreement)),
        "confusion": picture(agreement.confusion, "png", f"confusion with {reference.name}"),
        "not_scored_percent": _percent(1 - compared.scored / compared.compared) if compared.compared else None,
        "folder": dg.MetadataValue.path(str(agreement.folder)),
    }
    return {f"{_key(reference.name)}_{name}": value for name, value in facts.items() if value is not None}


def _groups(agreement: Agreement) -> list[dict[str, Any]]:
    """One row per group: both accuracies and the group's share, over all scored pixels, and from the sample with their
    95 % intervals."""
    compared, rows = agreement.compared, agreement.document["full_count"]["groups"]
    mapped, scored, found = compared.matrix.sum(axis=1), compared.scored, compared.estimates
    estimates = zip(found.users, found.producers, found.areas, strict=True)
    return [
        {
            "group": row["group"],
            "user's %": _percent(row["users"]),
            "producer's %": _percent(row["producers"]),
            "map %": _percent(pixels / scored) if scored else None,
            "reference %": _percent(row["reference_area"]),
            "reference ha": row["reference_hectares"],
            "user's %, sampled": _span(users),
            "producer's %, sampled": _span(producers),
            "reference %, sampled": _span(area),
        }
        for row, pixels, (users, producers, area) in zip(rows, mapped, estimates, strict=True)
    ]


def _key(name: str) -> str:
    return name.replace("-", "_").replace(".", "_")


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * float(share), 2)


def _span(found: Estimate) -> str:
    """An estimate and its 95 % interval, in percent. An interval of width zero says nothing and is left out."""
    value, interval = _percent(found.value), found.interval
    if value is None or interval is None:
        return "n/a"
    low, high = interval
    return f"{value:.1f} ({100 * low:.1f} to {100 * high:.1f})" if low < high else f"{value:.1f} (no interval)"
