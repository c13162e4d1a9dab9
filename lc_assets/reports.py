"""What each asset reports to Dagster: the answers to what a person would ask next. Never a query string, never a
token."""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg

from lc_assets.inference.classmap import ClassMap
from lc_assets.inference.sliding import Classification
from lc_assets.landcover import ALL_CLASSES
from lc_assets.raster.overview import Overview, OverviewPlan
from lc_assets.raster.picture import map_with_legend, shown_codes, true_colour
from lc_assets.raster.stack import Stack
from lc_assets.sentinel2.bands import BAND_NAMES, TRUE_COLOUR
from lc_assets.sentinel2.fetch import Fetched
from lc_assets.sentinel2.raw import RawBands
from lc_assets.store import SceneFolder

PICTURE_SIDE = 480
"""Longest side of inline pictures, in pixels: they are kept in Dagster's event log, so they stay small."""


def picture(image: bytes, kind: str, title: str) -> dg.MarkdownMetadataValue:
    """An image that Dagster's UI shows inline."""
    return dg.MetadataValue.md(f"![{title}](data:image/{kind};base64,{base64.b64encode(image).decode()})")


def table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    """A table that Dagster's UI shows inline."""
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows])


def report_raw_bands(raw: RawBands, fetched: dict[str, Fetched], seconds: float) -> dict[str, Any]:
    """Bands with sizes and rates, how they came, the scene's facts, a true-colour quicklook.

    Args:
        raw: the complete folder.
        fetched: band -> how it came.
        seconds: that all took together.
    """
    properties = raw.scene.properties
    size = sum(entry["size"] for entry in raw.files.values())
    received = sum(part.received for part in fetched.values())
    rows = [
        {
            "band": name,
            "MB": round(part.size / 1e6, 3),
            "MB/s": round((part.received or part.size) / 1e6 / max(part.seconds, 1e-6), 1),
            "how": part.origin,
            "sha256": part.sha256[:12],
            "source": raw.files[name]["href"],
        }
        for name, part in fetched.items()
    ]
    paths = raw.paths
    red, green, blue = (paths[name] for name in TRUE_COLOUR)
    facts = {
        "acquired": str(properties["datetime"]),
        "tile": properties.get("s2:mgrs_tile"),
        "cloud_cover_percent": properties.get("eo:cloud_cover"),
        "nodata_percent": properties.get("s2:nodata_pixel_percentage"),
        "product_level": raw.scene.product_level,
        "processing_baseline": raw.scene.baseline,
        "has_scl": raw.scene.has_scl,
    }
    return {
        "true_colour": picture(true_colour((red, green, blue), PICTURE_SIDE), "jpeg", "true colour"),
        "bands": table(rows),
        "bytes": size,
        "mb_per_second": round((received or size) / 1e6 / max(seconds, 1e-6), 1),
        "bytes_received": received,
        "requests": sum(part.requests for part in fetched.values()),
        "folder": dg.MetadataValue.path(str(raw.folder)),
        **{key: value for key, value in facts.items() if value is not None},
    }


def report_stack(stack: Stack) -> dict[str, Any]:
    """Grid, bands, kernel, radiometry."""
    left, bottom, right, top = stack.grid.bounds
    return {
        "path": dg.MetadataValue.path(str(stack.path)),
        "form": "virtual" if stack.path.suffix == ".vrt" else "cog",
        "width": stack.grid.width,
        "height": stack.grid.height,
        "pixels": stack.grid.width * stack.grid.height,
        "crs": stack.grid.crs,
        "bounds_m": f"{left:.0f} {bottom:.0f} {right:.0f} {top:.0f}",
        "bands": " ".join(BAND_NAMES),
        "kernel": stack.kernel,
        "offset_dn": stack.offset,
        "has_scl": stack.scl_path is not None,
        "bytes": stack.path.stat().st_size,
    }


def report_class_raster(classes: ClassMap, computed: Classification, seconds: float) -> dict[str, Any]:
    """The map with its legend, shares and hectares per class, confidence, the model, rates."""
    statistics, contract = computed.statistics, computed.engine.contract
    codes, pixel_size = shown_codes(classes.path, PICTURE_SIDE)
    image = map_with_legend(codes, classes.pixels, classes.grid.pixel_area, pixel_size)
    hectares = {c.name: round(float(classes.pixels[c.code]) * classes.grid.pixel_area, 2) for c in ALL_CLASSES}
    rows = [
        {
            "code": c.code,
            "class": c.name,
            "percent": round(100 * classes.share(c.code), 2),
            "hectares": hectares[c.name],
        }
        for c in ALL_CLASSES
    ]
    bins = statistics.confidence
    pixels = float(classes.pixels.sum())
    known = int(bins.sum())
    return {
        "map": picture(image, "png", "class map"),
        "classes": table(rows),
        **{f"percent_{c.name.replace(' ', '')}": round(100 * classes.share(c.code), 3) for c in ALL_CLASSES},
        "mean_confidence_percent": round(float((bins * range(101)).sum() / known), 2) if known else 0.0,
        "confidence": table(
            [
                {"from": low, "to": low + 9 if low < 90 else 100, "percent_of_map": _percent(bins, low, known)}
                for low in range(0, 100, 10)
            ]
        ),
        "nodata_no_source": statistics.no_source_data,
        "nodata_hidden_by_scl": statistics.hidden,
        "nodata_without_vote": statistics.no_vote,
        "pixels": int(pixels),
        "windows": statistics.windows,
        "windows_voting": statistics.voting,
        "stride": computed.stride,
        "pixels_per_second": round(pixels / max(seconds, 1e-6)),
        "windows_per_second": round(statistics.voting / max(seconds, 1e-6)),
        "model": f"{contract.name} {contract.version}",
        "model_sha256": contract.sha256,
        "backend": computed.engine.backend,
        "precision": computed.engine.precision,
        "evaluation": _evaluation(computed),
        "stages": table(
            [
                {"stage": name, "seconds": round(spent, 3), "million_pixels_per_second": round(pixels / spent / 1e6, 1)}
                for name, spent in statistics.stages.seconds.items()
                if spent > 0
            ]
        ),
        "path": dg.MetadataValue.path(str(classes.path)),
        "bytes": classes.path.stat().st_size + classes.confidence.stat().st_size,
    }


def _evaluation(computed: Classification) -> str:
    evaluator = computed.evaluator
    return f"{evaluator.name}: {evaluator.why}" if evaluator.why else evaluator.name


def report_overview(overview: Overview, plan: OverviewPlan, image: bytes) -> dict[str, Any]:
    """The picture, how much coarser, where."""
    return {
        "map": picture(image, "png", "overview"),
        "path": dg.MetadataValue.path(str(overview.path)),
        "thumbnail": dg.MetadataValue.path(str(overview.thumbnail)),
        "factor": plan.factor,
        "pixel_size_m": overview.grid.resolution,
        "width": overview.grid.width,
        "height": overview.grid.height,
        "bytes": overview.path.stat().st_size,
    }


def _percent(bins: Any, low: int, known: int) -> float:
    high = low + 10 if low < 90 else 101
    return round(100 * float(bins[low:high].sum()) / known, 2) if known else 0.0


def report_catalog(scene: SceneFolder, files: dict[str, bytes]) -> dict[str, Any]:
    """Where the documents are and what they reference."""
    return {
        "path": dg.MetadataValue.path(str(scene.catalog)),
        "documents": dg.MetadataValue.md("\n".join(f"- `{scene.folder / name}`" for name in files)),
        "bytes": sum(map(len, files.values())),
    }
