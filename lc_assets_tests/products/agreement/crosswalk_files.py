"""Crosswalk files for tests."""

from __future__ import annotations

from pathlib import Path

from lc_assets.products.agreement.crosswalk import FOLDER


def without_roads(folder: Path) -> Path:
    """WorldCover's crosswalk, in which the map's Highway is also not scored."""
    path = folder / "without-roads.csv"
    table = (FOLDER / "esa-worldcover.csv").read_text(encoding="utf-8")
    path.write_text(table.replace("map,3,Highway,built-up", "map,3,Highway,-"), encoding="utf-8")
    return path
