"""Adds classified Items to a store, and reads the items of its collection."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.operations.keys import CATALOG
from lc_assets.products.collection.parquet import ids, items
from lc_assets.products.collection.update import Changes, UpdateSummary, fetch
from lc_assets.store.layout import Store

needs_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("rustac", "duckdb", "shapely")),
    reason="needs rustac and DuckDB (pip install '.[collection]')",
)
Document = dict[str, Any]


def scene_id(number: int) -> str:
    return f"S2A_MSIL2A_20240{1 + number % 9}21T103629_R008_T32ULC_20240621T{140000 + number:06}"


def add(store: Store, template: Document, number: int, **properties: Any) -> str:
    """Add an Item to the store, at its own longitude, and return the id of its scene."""
    scene = scene_id(number)
    item = json.loads(json.dumps(template).replace(DEMO_ITEM_ID, scene))
    west, south, east, north = number % 300 - 150, 10.0, number % 300 - 149.5, 10.5
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item |= {"bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]}}
    item["properties"] |= {"datetime": f"2024-0{1 + number % 9}-21T10:36:29.024Z", **properties}
    put(store, scene, item)
    return scene


def put(store: Store, scene: str, item: Document) -> None:
    folder = Path(str(store.scene(scene).folder))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scene}_classified.json").write_text(json.dumps(item))


def everything(positions: Any) -> Changes:
    return Changes(None)


def only(*scenes: str) -> Callable[[Any], Changes]:
    return lambda positions: Changes(scenes, dict(positions or {}))


def scenes_of(store: Store, work: Path) -> set[str]:
    work.mkdir(exist_ok=True)
    index, _ = fetch(store, work)
    assert index
    listed = ids(index)
    assert len(set(listed)) == len(listed)
    return {item.removesuffix("_classified") for item in listed}


def rows(store: Store, work: Path) -> list[Document]:
    work.mkdir(exist_ok=True)
    index, _ = fetch(store, work)
    assert index
    return sorted(items(index, work), key=lambda item: item["id"])


def catalogued(instance: dg.DagsterInstance, *scenes: str) -> None:
    for scene in scenes:
        instance.report_runless_asset_event(dg.AssetMaterialization(CATALOG, partition=scene))


def counts_of(report: UpdateSummary) -> tuple[int, int, int, int]:
    return report.items, report.added, report.changed, report.removed
