"""Classified scenes of chosen tiles and days in a store, for the gallery and its map."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.collection.sanitize import CLASS_KEYS
from lc_assets.store.layout import SceneLayout


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def laid(
    scene: SceneLayout,
    store: Path,
    tile: str,
    day: date,
    geometry: dict[str, Any],
    most: int = 0,
    report: bool = True,
    properties: dict[str, Any] | None = None,
) -> str:
    """Copy the demo's map as a map of another tile and day, with one class on most pixels; return its id."""
    name = f"S2B_MSIL2A_{day:%Y%m%d}T103629_R008_T{tile}_{day:%Y%m%d}T140000"
    folder = store / "scenes" / name
    folder.mkdir(parents=True)
    item = json.loads((Path(str(scene.folder)) / f"{DEMO_ITEM_ID}_classified.json").read_text())
    item.update(id=f"{name}_classified", geometry=geometry)
    item["properties"].pop("s2:product_uri", None)
    item["properties"].update(
        {"datetime": f"{day}T10:36:29Z", "s2:mgrs_tile": tile, "lc:hectares": dict.fromkeys(CLASS_KEYS, 1.0)}
    )
    item["properties"]["lc:hectares"][CLASS_KEYS[most]] = 90.0
    item["properties"].update(properties or {})
    (folder / f"{name}_classified.json").write_text(json.dumps(item))
    shutil.copyfile(Path(str(scene.thumbnail)), folder / f"{name}_thumbnail.png")
    if report:
        (folder / "report.html").write_text(f"<title>{name}</title>")
    return name
