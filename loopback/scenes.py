"""Scenes by the dozen: small, shaped like the Planetary Computer's, each with an id, a place, a time and pixels of its
own."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.warp import transform_geom

from lc_assets.demo.scene import write_demo_scene
from lc_assets.sentinel2.band_table import BANDS, SCL
from loopback.planetary_computer import SHARED
from loopback.stac_api import PUBLIC_ROOT

SHAPE = (246, 258)
NAMES = (*(band.name for band in BANDS), SCL)

_BLOBS = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2"
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
"""MGRS: the letters of a zone's eight columns of 100 km, by the zone's number modulo 3."""
_SCL = (
    *("nodata_pixel", "saturated_defective_pixel", "dark_features", "cloud_shadow", "vegetation", "not_vegetated"),
    *("water", "unclassified", "medium_proba_clouds", "high_proba_clouds", "thin_cirrus", "snow_ice"),
)
"""What the codes 0 to 11 are called in `s2:*_percentage`."""
_FIRST = datetime(2024, 1, 2, 10, 36, 29, 24000, tzinfo=timezone.utc)
_ID = re.compile(r"(?P<platform>S2[A-D])_MSIL2A_(?P<sensed>\w{15})_R(?P<orbit>\d{3})_T(?P<tile>\w{5})_(?P<made>\w{15})")


@dataclass(frozen=True)
class PcScene:
    """An item and the files that its hrefs promise: `pc.publish(scene.item, scene.files)`."""

    item: dict[str, Any]
    files: dict[str, Path]

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item["id"]


def pc_scene(
    which: int | str,
    folder: Path,
    template: dict[str, Any] | None = None,
    *,
    shape: tuple[int, int] = SHAPE,
    seed: int = 3,
    **properties: Any,
) -> PcScene:
    """Write the bands of a scene and make its item.

    Args:
        which: a number, from which its tile, time and pixels follow (the same number gives the same scene), or a whole
            id, `S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000`.
        folder: where the files go, in a folder of the scene's id.
        template: an item of the Planetary Computer; default is a real one, or one in its shape without ../shared.
        shape: rows and columns at 10 m, multiples of 6.
        seed: which landscape; scenes of one landscape differ by how far it is rolled over.
        properties: `{"eo:cloud_cover": 12.5}` and the like, put into the item's properties as they are; None takes
            one away.
    """
    template = template_item() if template is None else template
    old = _parse(template["id"])
    new_id = which if isinstance(which, str) else _new_id(which, old)
    number = which if isinstance(which, int) else sum(map(ord, which))
    new = _parse(new_id)
    item = _renamed(template, old, new)
    corner = _corner(template, old["tile"], new["tile"])
    crs = f"EPSG:{item['properties']['proj:epsg']}"
    offset = item["properties"].get("s2:processing_baseline", "05.11") >= "04.00"
    files: dict[str, Path] = {}
    for name, (pixels, gsd) in _landscape(shape, seed).items():
        files[name] = folder / new_id / f"{name}.tif"
        rolled = _rolled(pixels, number, 60 // gsd)
        if not offset and name != SCL:  # the landscape's DN are those of baseline 05.11
            rolled = np.where(rolled, np.maximum(rolled, 1001) - 1000, 0).astype(rolled.dtype)
        _write(files[name], rolled, crs, Affine(gsd, 0, corner[0], 0, -gsd, corner[1]))
    _place(item, crs, corner, shape)
    item["properties"].update({**_shares(_landscape(shape, seed)[SCL][0]), **properties})
    item["properties"] = {name: value for name, value in item["properties"].items() if value is not None}
    return PcScene(item, files)


def pc_scenes(count: int, folder: Path, template: dict[str, Any] | None = None, **options: Any) -> list[PcScene]:
    """Scenes 0 to `count` - 1; `options` as for `pc_scene`."""
    return [pc_scene(number, folder, template, **options) for number in range(count)]


def template_item() -> dict[str, Any]:
    """A real item of baseline 05.11, or the demo's dressed up as one."""
    real = SHARED / "items" / "S2B_MSIL2A_20250312T014549_R074_T53NKG_20250312T041213.json"
    if real.exists():
        return json.loads(real.read_text())
    with tempfile.TemporaryDirectory() as folder:
        item = json.loads(write_demo_scene(Path(folder), shape=(60, 60)).read_text())
    parts, properties = _parse(item["id"]), item["properties"]
    product = properties["s2:product_uri"]
    platform, tile, sensed, made = (parts[name] for name in ("platform", "tile", "sensed", "made"))
    properties["s2:granule_id"] = f"{platform}_OPER_MSI_L2A_TL_2BPS_{made}_A038087_T{tile}_N05.11"
    properties["s2:datatake_id"] = f"G{platform}_{sensed}_038087_N05.11"
    properties["s2:datastrip_id"] = f"{platform}_OPER_MSI_L2A_DS_2BPS_{made}_S{sensed}_N05.11"
    del properties["description"], item["assets"]["truth"]
    day = f"{sensed[:4]}/{sensed[4:6]}/{sensed[6:8]}"
    granule = f"{tile[:2]}/{tile[2]}/{tile[3:]}/{day}/{product}/GRANULE/L2A_T{tile}_A038087_{sensed}"
    for key, asset in item["assets"].items():
        gsd = int(asset["gsd"])
        asset["href"] = f"{_BLOBS}/{granule}/IMG_DATA/R{gsd}m/T{tile}_{sensed}_{key}_{gsd}m.tif"
    collection = f"{PUBLIC_ROOT}/collections/sentinel-2-l2a"
    links = {"collection": collection, "parent": collection, "root": f"{PUBLIC_ROOT}/"}
    links["self"] = f"{collection}/items/{item['id']}"
    item["links"] = [{"rel": rel, "type": "application/json", "href": href} for rel, href in links.items()]
    return {**item, "collection": "sentinel-2-l2a"}


def bare_item(name: str, sensed: datetime) -> dict[str, Any]:
    """An item whose files do not exist.

    Args:
        name: its id.
        sensed: the time in it.
    """
    document = deepcopy(template_item())
    satellite, _, datatake, orbit, tile, made = name.split("_")
    document["id"] = name
    document["properties"] |= {
        "datetime": f"{sensed:%Y-%m-%dT%H:%M:%S}.024000Z",
        "platform": f"Sentinel-{satellite[1:]}",
        "s2:mgrs_tile": tile[1:],
        "s2:datatake_id": f"G{satellite}_{datatake}_000001_N05.11",
        "s2:datastrip_id": f"{satellite}_OPER_MSI_L2A_DS_2APS_{made}_S{datatake}_N05.11",
        "s2:product_uri": f"{satellite}_MSIL2A_{datatake}_N0511_{orbit}_{tile}_{made}.SAFE",
        "s2:processing_baseline": "05.11",
        "s2:generation_time": f"{sensed:%Y-%m-%d}T15:36:29.000000Z",
    }
    return document


def _parse(item_id: str) -> dict[str, str]:
    match = _ID.fullmatch(item_id)
    if not match:
        raise ValueError(f"{item_id!r} is no id of the Planetary Computer's sentinel-2-l2a")
    return match.groupdict()


def _new_id(number: int, old: dict[str, str]) -> str:
    """Eight tiles side by side, then the same five days later."""
    sensed = _FIRST + timedelta(days=5 * (number // 8), seconds=3 * (number % 8))
    tile = old["tile"][:3] + _COLUMNS[int(old["tile"][:2]) % 3][number % 8] + old["tile"][4]
    made = sensed + timedelta(hours=4)
    return f"{old['platform']}_MSIL2A_{sensed:%Y%m%dT%H%M%S}_R{old['orbit']}_T{tile}_{made:%Y%m%dT%H%M%S}"


def _renamed(template: dict[str, Any], old: dict[str, str], new: dict[str, str]) -> dict[str, Any]:
    """The template with another product's names wherever they stand: id, hrefs, links, properties."""
    properties = template["properties"]
    # The granule and the datastrip are named by when they began, seconds from when the datatake did.
    begun = set(re.findall(r"(?:_A\d{6}_|_S)(\d{8}T\d{6})", json.dumps(template)))
    pairs = {old["made"]: new["made"], old["sensed"]: new["sensed"], f"T{old['tile']}": f"T{new['tile']}"}
    pairs |= dict.fromkeys(begun, new["sensed"])
    pairs[_folder(old)] = _folder(new)
    pairs[f"_R{old['orbit']}_"] = f"_R{new['orbit']}_"
    text = re.sub("|".join(map(re.escape, pairs)), lambda match: pairs[match[0]], json.dumps(template))
    item = deepcopy(json.loads(text))
    stamp = datetime.strptime(new["sensed"], "%Y%m%dT%H%M%S")
    made = datetime.strptime(new["made"], "%Y%m%dT%H%M%S")
    changed = {
        "datetime": f"{stamp:%Y-%m-%dT%H:%M:%S}.024000Z",
        "s2:mgrs_tile": new["tile"],
        "s2:generation_time": f"{made:%Y-%m-%dT%H:%M:%S}.000000Z",
        "sat:relative_orbit": int(new["orbit"]),
    }
    item["properties"].update({name: value for name, value in changed.items() if name in properties})
    return item


def _folder(parts: dict[str, str]) -> str:
    tile, day = parts["tile"], parts["sensed"]
    return f"/{tile[:2]}/{tile[2]}/{tile[3:]}/{day[:4]}/{day[4:6]}/{day[6:8]}/"


def _corner(template: dict[str, Any], old: str, new: str) -> tuple[float, float]:
    """Where the tile's upper left corner lies: as many columns of 100 km from the template's as the letters say."""
    transform = template["assets"]["B02"]["proj:transform"]
    letters = _COLUMNS[int(old[:2]) % 3]
    columns = letters.index(new[3]) - letters.index(old[3]) if old[:3] == new[:3] else 0
    return transform[2] + 100_000.0 * columns, transform[5]


def _shares(scl: np.ndarray) -> dict[str, float]:
    """The percentages that are counted in the scene classification."""
    counts = np.bincount(scl.ravel(), minlength=12)
    percent = {name: round(100 * float(n) / max(counts[1:].sum(), 1), 6) for name, n in zip(_SCL, counts, strict=True)}
    percent["nodata_pixel"] = round(100 * float(counts[0]) / scl.size, 6)
    clouds = sum(percent[name] for name in ("medium_proba_clouds", "high_proba_clouds", "thin_cirrus"))
    return {"eo:cloud_cover": round(clouds, 6), **{f"s2:{name}_percentage": n for name, n in percent.items()}}


def _place(item: dict[str, Any], crs: str, corner: tuple[float, float], shape: tuple[int, int]) -> None:
    """Say in the item where its files lie."""
    left, top = corner
    right, bottom = left + 10.0 * shape[1], top - 10.0 * shape[0]
    for asset in item["assets"].values():
        if "proj:shape" in asset:
            gsd = float(asset["gsd"])
            asset["proj:shape"] = [int(10 * n / gsd) for n in shape]
            asset["proj:bbox"] = [left, bottom, right, top]
            asset["proj:transform"] = [gsd, 0.0, left, 0.0, -gsd, top]
    ring = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)]
    there = transform_geom(crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=7)
    points = [list(point) for point in there["coordinates"][0]]
    item["geometry"] = {"type": "Polygon", "coordinates": [points]}
    longitudes, latitudes = zip(*points, strict=True)
    item["bbox"] = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


@functools.lru_cache(maxsize=4)
def _landscape(shape: tuple[int, int], seed: int) -> dict[str, tuple[np.ndarray, int]]:
    """Pixels and pixel size of all bands of a demo scene."""
    pixels = {}
    with tempfile.TemporaryDirectory() as folder:
        home = write_demo_scene(Path(folder), shape=shape, seed=seed).parent
        for name in NAMES:
            with rasterio.open(home / f"{name}.tif") as dataset:
                pixels[name] = (dataset.read(1), int(dataset.res[0]))
    return pixels


def _rolled(pixels: np.ndarray, number: int, unit: int) -> np.ndarray:
    """The landscape moved by whole 60 m pixels, so that all bands stay upon each other."""
    rows, columns = (n // unit for n in pixels.shape)
    return np.roll(pixels, (unit * (number // columns % rows), unit * (number % columns)), axis=(0, 1))


def _write(path: Path, pixels: np.ndarray, crs: str, transform: Affine) -> None:
    """A COG as the Planetary Computer's: deflate, 512 px blocks, no declared nodata, scale or offset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "crs": crs, "transform": transform, "count": 1, "dtype": pixels.dtype}
    with MemoryFile() as memory:
        with memory.open(**profile, height=pixels.shape[0], width=pixels.shape[1]) as dataset:
            dataset.write(pixels, 1)
        rasterio.shutil.copy(memory.name, str(path), driver="COG", compress="deflate", predictor="YES", blocksize=512)
