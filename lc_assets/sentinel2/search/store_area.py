"""The area of a store: what it keeps and classifies of each scene. It is written once, and not changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import shapely

from lc_assets.core.errors import BadReference, LandCoverError, StoreError
from lc_assets.core.local_files import check_readable
from lc_assets.raster.polygons import DEGREES, Polygons, read_polygons
from lc_assets.store.layout import Store
from lc_assets.store.paths import compare_and_swap, reading


def area_of(store: Store, file: Path | None = None, *, keep: bool = False) -> Polygons | None:
    """Return the area of a store, in degrees; None if it has none.

    Args:
        store: the store.
        file: polygons, which must be those of the store (LC_ASSETS_AREA).
        keep: whether these become the area of a store that has none.

    Raises:
        BadReference: the file has no polygons.
        LandCoverError: the file cannot be read.
        StoreError: the store has another area, or cannot be read or written.
    """
    kept = _read(store)
    if file is None:
        return kept
    wanted = _named(file)
    if kept is None and keep:
        kept = _write(store, wanted)
    if kept is not None and not kept.covers_same(wanted):
        raise StoreError(
            f"the area of the store {store.root} is {kept.names[0]}, and {file} (LC_ASSETS_AREA) is another one",
            remedy=f"unset LC_ASSETS_AREA, or use another store for it; while the store has no map, you can remove "
            f"{store.area}",
        )
    return wanted if kept is None else kept


def share_outside(area: Polygons, kept: Polygons, crs: str) -> float:
    """Return the share of an area (0 to 1) that is outside the area of a store.

    Args:
        area: the area.
        kept: the area of the store.
        crs: CRS in which they are compared, in metres.

    Raises:
        BadReference: the whole area is outside.
    """
    inside = shapely.intersection(*(shapely.union_all(one.to(DEGREES).shapes) for one in (area, kept)))
    if not shapely.area(inside):
        raise BadReference(
            f"the area is outside that of the store, {kept.names[0]}",
            remedy="choose one inside it, or use another store (--store) and unset LC_ASSETS_AREA",
        )
    whole, inside = shapely.union_all(area.to(crs).shapes), Polygons(("inside",), np.array([inside]), DEGREES).to(crs)
    return float(1 - shapely.area(inside.shapes[0]) / shapely.area(whole))


def _named(file: Path) -> Polygons:
    """Return the area of a file as one polygon, with the file's name."""
    try:
        check_readable(file)
    except OSError as error:
        raise LandCoverError(
            f"{file} cannot be read ({error.strerror})", remedy="correct LC_ASSETS_AREA, or unset it"
        ) from None
    found = read_polygons(file, str(file))
    return read_polygons(_content(found, file.name.partition(".")[0]), str(file))


def _content(area: Polygons, name: str) -> bytes:
    feature = {"type": "Feature", "properties": {"name": name}, "geometry": area.degrees()}
    return json.dumps({"type": "FeatureCollection", "features": [feature]}, indent=2).encode() + b"\n"


def _read(store: Store) -> Polygons | None:
    with reading(store.area):
        try:
            content = store.area.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return read_polygons(content, str(store.area))


def _write(store: Store, area: Polygons) -> Polygons:
    """Write the area, unless another process has written one, and return that of the store."""
    try:
        compare_and_swap(store.area, _content(area, area.names[0]), None)
    except OSError as error:
        raise StoreError(
            f"{store.area} cannot be written ({error.strerror or error})",
            remedy="check the permissions there, or name another store (--store), then run it again",
        ) from None
    return _read(store) or area
