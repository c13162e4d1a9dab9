"""The document of a comparison, `agreement.json`, for programs and people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lc_assets
from lc_assets.inference.class_map import ClassMap
from lc_assets.products.agreement.compare import Comparison
from lc_assets.products.agreement.crosswalk import as_rows
from lc_assets.products.agreement.estimators import Estimate, Estimates
from lc_assets.products.agreement.references import Reference, tile_rows

METHOD = (
    "Stratified estimators of Olofsson et al. (2014), doi:10.1016/j.rse.2014.02.015, eqs 1-11; strata are the map's "
    "groups; intervals are 95 %. full_count: the same figures over all scored pixels, without a sample."
)
CAVEATS = (
    "Agreement is not accuracy: the reference is a map with its own errors. It is of another time, and its legend is "
    "coarser where groups merge classes.",
    "The interval covers only the sampling error, which the full count does not have. If the sample of a group has no "
    "disagreement, the standard error is 0 and the interval has no meaning.",
    "Pixels whose class has no counterpart in the other legend are counted but not scored: see not_scored.",
)


def document_of(
    compared: Comparison, reference: Reference, classes: ClassMap, sha256: str, samples: int, seed: int
) -> dict[str, Any]:
    """Return all figures of a comparison and their sources, as JSON without tokens and query strings.

    Args:
        sha256: SHA-256 of the file of the class map.
        samples, seed: the requested number of samples and the seed.
    """
    table, area = compared.crosswalk, classes.grid.pixel_area
    return {
        "item": classes.item,
        "map": {
            "file": classes.path.name,
            "sha256": sha256,
            "model": classes.tags.get("MODEL"),
            "model_sha256": classes.tags.get("MODEL_SHA256"),
            "stride": classes.tags.get("STRIDE"),
        },
        "reference": {
            "name": reference.name,
            "title": reference.title,
            "year": reference.year,
            "version": reference.version,
            "attribution": reference.attribution,
            "accuracy": reference.accuracy,
            "rasters": tile_rows(reference.tiles),
        },
        "crosswalk": {
            "name": table.name,
            "sha256": table.sha256,
            "groups": list(table.groups),
            "table": as_rows(table),
        },
        "pixels": {
            "map": int(classes.pixels.sum()),
            "map_nodata": compared.map_nodata,
            "reference_nodata": compared.reference_nodata,
            "compared": compared.compared,
            "scored": compared.scored,
        },
        "not_scored": not_scored(compared),
        "full_count": {"matrix": compared.matrix.tolist(), **_figures(compared, compared.full, _value, area)},
        "sample": {
            "asked": samples,
            "seed": seed,
            "pixels": int(compared.sample.sum()),
            "matrix": compared.sample.tolist(),
            "proportions": [[_rounded(share) for share in row] for row in compared.estimates.proportions.tolist()],
            **_figures(compared, compared.estimates, _value_with_error, area),
        },
        "method": METHOD,
        "caveats": list(CAVEATS),
        "software": f"lc_assets {lc_assets.__version__}",
    }


def not_scored(compared: Comparison) -> list[dict[str, Any]]:
    """Return the classes of both sides that were not scored, with their pixels and the reason.

    A pixel counts in two rows if neither its map class nor its reference class was scored.
    """
    table = compared.crosswalk
    rows = [
        {"side": side, "code": entry.code, "class": entry.name, "pixels": int(pixels), "why": entry.comment}
        for side, entries, counts in (
            ("map", table.map, compared.counts.sum(axis=1)),
            ("reference", table.reference, compared.counts.sum(axis=0)),
        )
        for entry, pixels in zip(entries, counts, strict=False)
        if pixels and entry.group not in table.groups
    ]
    unlisted = int(compared.counts[:, -1].sum())
    if unlisted:
        codes = ", ".join(map(str, compared.unlisted[:20]))
        why = "the crosswalk does not list it"
        rows.append({"side": "reference", "code": None, "class": f"code {codes}", "pixels": unlisted, "why": why})
    return rows


def _figures(compared: Comparison, found: Estimates, figure: Callable[..., Any], area: float) -> dict[str, Any]:
    rows = zip(compared.crosswalk.groups, found.users, found.producers, found.areas, strict=True)
    return {
        "overall": figure(found.overall),
        "groups": [
            {
                "group": group,
                "users": figure(users),
                "producers": figure(producers),
                "reference_area": figure(share),
                "reference_hectares": figure(share, area * compared.scored),
            }
            for group, users, producers, share in rows
        ],
    }


def _value(found: Estimate, unit: float = 1.0) -> float | None:
    """Return a figure of the full count, to 6 decimals; None if it is not defined."""
    return _rounded(found.value, unit)


def _value_with_error(found: Estimate, unit: float = 1.0) -> dict[str, Any]:
    """Return a figure of the sample with its error and 95 % interval; None for values that are not defined."""
    low, high = found.interval or (None, None)
    return {
        "value": _rounded(found.value, unit),
        "standard_error": _rounded(found.error, unit),
        "interval": [_rounded(low, unit), _rounded(high, unit)],
    }


def _rounded(value: float | None, unit: float = 1.0) -> float | None:
    return None if value is None or value != value else round(value * unit, 6)
