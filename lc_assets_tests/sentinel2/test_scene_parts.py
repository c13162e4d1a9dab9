"""A store of an area keeps the part of each scene around it. Inside the area, the map is that of the whole scene."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import rasterio

from lc_assets.core.errors import BadBand, BadItem, StoreError
from lc_assets.core.settings import Settings
from lc_assets.defs.io_managers.resampled_stack import VirtualStackIOManager
from lc_assets.defs.resources import StoreResource
from lc_assets.raster.polygons import DEGREES, Polygons, box_polygon, read_polygons
from lc_assets.sentinel2.bands.raw_bands import RawBands, fetch_scene
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.item.scene import Scene, parse_scene, read_document
from lc_assets.store.layout import Store
from lc_assets_tests.conftest import Desk, copy_scene, edit_bands
from lc_assets_tests.rig.command import NOBODY, QUICK
from lc_assets_tests.sentinel2.large_scene import area_file, large_scene, served
from lc_assets_tests.sentinel2.spoilt_scenes import before_the_offset
from loopback.faults import Fault
from loopback.file_host import HOST, files_of
from loopback.planetary_computer import PlanetaryComputer
from loopback.relay import Relay

AREA = (882, 962, 936, 1076)
"""Its upper end is beside the shadow of a cloud, and it contains ground without data."""
PART = ScenePart(384, 384, 1116, 1092, 1548, 1476)


@pytest.fixture(scope="module")
def large(demo_item: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_scene(demo_item, tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def area(large: Path) -> Polygons:
    path = area_file(large, large.parent.with_name("district.geojson"), AREA)
    return read_polygons(path, "district").to(DEGREES)


@pytest.fixture(scope="module")
def desks(large: Path, area: Polygons, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Desk]]:
    """A store of whole scenes and a store of an area; the scene is classified in both."""
    folder = tmp_path_factory.mktemp("stores")
    file = large.parent.with_name("district.geojson")
    # In float32, where the numbers do not depend on the size of the blocks.
    settings = Settings(store=folder / "whole", stac_url=NOBODY, retry_policy=QUICK, precision="float32")
    both = {"whole": settings, "part": replace(settings, store=folder / "part", area=file)}
    instances = {name: dg.DagsterInstance.ephemeral() for name in both}
    made = {name: Desk(both[name], instance) for name, instance in instances.items()}
    item = made["whole"].add(large).id
    assert made["whole"].materialize("raw_bands", "resampled_stack", "class_raster", item=item).success
    made["part"].classify(large)
    yield made
    for instance in instances.values():
        instance.dispose()


def scene_of(item: Path) -> Scene:
    return parse_scene(read_document(item), base=item)


def fetched(scene: Scene, area: Polygons, folder: Path, present: RawBands | None = None) -> RawBands:
    folder.mkdir(parents=True)
    fetch_scene(scene, folder, folder.with_name("incoming"), area=area, retry_policy=QUICK, present=present)
    assert {path.suffix for path in folder.iterdir()} == {".tif", ".json"}
    return RawBands.open(folder, scene.id)


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def inside(desk: Desk, item: str, name: str, corner: tuple[int, int]) -> np.ndarray:
    """The area's pixels or cells of a raster of the map; `corner` is that of the raster, in the scene."""
    path = getattr(desk.folder(item), name)
    step = 4 if name == "probabilities" else 1
    top, bottom, left, right = AREA
    rows = slice((top - corner[0]) // step, -(-(bottom - corner[0]) // step))
    columns = slice((left - corner[1]) // step, -(-(right - corner[1]) // step))
    return pixels(path)[:, rows, columns]


def check_inside(desks: dict[str, Desk], item: str, *names: str) -> None:
    for name in names:
        whole = inside(desks["whole"], item, name, (0, 0))
        part = inside(desks["part"], item, name, (PART.row, PART.column))
        assert whole.size
        assert (part == whole).all()
    with rasterio.open(desks["part"].folder(item).classified) as dataset:
        assert dataset.shape == (PART.height, PART.width)
    classes = inside(desks["part"], item, "classified", (PART.row, PART.column))
    assert 0.1 < (classes == 10).mean() < 0.9


def test_inside_the_area_the_map_is_that_of_the_whole_scene(desks: dict[str, Desk], large: Path) -> None:
    check_inside(desks, scene_of(large).id, "classified", "confidence", "probabilities")


@pytest.mark.slow
def test_inside_the_area_a_map_of_windows_with_the_widest_masks_is_that_of_the_whole_scene(
    desks: dict[str, Desk], large: Path, tmp_path: Path
) -> None:
    item = scene_of(large).id
    copies = {name: copy_of(desk, tmp_path / name) for name, desk in desks.items()}
    for desk in copies.values():
        assert desk.materialize("class_raster", item=item, window=64, stride=64, mask_dilation=400).success
    check_inside(copies, item, "classified", "confidence")


def copy_of(desk: Desk, store: Path) -> Desk:
    """The same scenes in another store: what the fixture has made stays as it is."""
    shutil.copytree(desk.settings.store, store, copy_function=os.link)
    return Desk(replace(desk.settings, store=store), desk.instance)


def test_the_stac_item_and_the_page_say_that_it_is_a_part(desks: dict[str, Desk], large: Path) -> None:
    scene = scene_of(large)
    folder = desks["part"].folder(scene.id)
    item = json.loads((folder.folder / f"{scene.id}_classified.json").read_text())
    assert item["properties"]["lc:part"] == {"window": [384, 384, 1116, 1092], "scene": [1548, 1476]}
    said = "1,116 x 1,092 of 1,548 x 1,476 pixels, from column 384 and row 384"
    assert f"a part ({said}) of" in item["properties"]["processing:lineage"]
    with rasterio.open(folder.classified) as dataset:
        box = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    assert item["bbox"] == pytest.approx(box, abs=1e-4)
    assert f"{said}: around the area of the store" in folder.report.read_text()
    kept = json.loads(desks["part"].store.area.read_text())
    assert kept["features"][0]["properties"] == {"name": "district"}


def test_a_scene_that_was_fetched_whole_becomes_a_part_and_is_not_read_with_its_old_stack(
    desks: dict[str, Desk], large: Path, tmp_path: Path
) -> None:
    item = scene_of(large).id
    copy = copy_of(desks["whole"], tmp_path / "store")
    settings = replace(desks["part"].settings, store=copy.settings.store)
    manager = VirtualStackIOManager(store=StoreResource(root=str(settings.store)))
    layout = Store.at(settings.store).scene(item)
    assert manager.read(layout).part == ""
    assert Desk(settings, desks["whole"].instance).materialize("raw_bands", item=item).success
    with pytest.raises(StoreError, match="its raw bands are of another part of the scene than its stack -> materiali"):
        manager.read(layout)
    assert Desk(settings, desks["whole"].instance).materialize("resampled_stack", item=item).success
    assert manager.read(layout).grid.shape == (PART.height, PART.width)


def test_only_the_blocks_of_the_part_are_fetched(large: Path, demo_item: Path, relay: Relay, tmp_path: Path) -> None:
    relay.add_host(HOST, files_of(large.parent))
    place = (1290, 1294, 1300, 1304)
    raw = fetched(served(large), corner_area(large, place, tmp_path), tmp_path / "raw_bands")
    assert raw.part == ScenePart(768, 768, 780, 708, 1548, 1476)
    sent = dict.fromkeys(raw.files, 0)
    for exchange in relay.exchanges:
        assert exchange.status == 206
        sent[exchange.path[1:-4]] += exchange.body_bytes_sent
    sizes = {name: (large.parent / f"{name}.tif").stat().st_size for name in sent}
    # 6 x 7 of 12 x 13 blocks, and 64 kB for the header.
    assert all(sent[name] < 0.4 * sizes[name] + 65_536 for name in ("B02", "B03", "B04", "B08"))
    for name, entry in raw.files.items():
        source = (large.parent / f"{name}.tif").read_bytes()
        left, top, width, height = entry["part"]["window"]
        assert (
            pixels(raw.paths[name])[0] == pixels(large.parent / f"{name}.tif")[0, top:, left:][:height, :width]
        ).all()
        ranges = b"".join(source[begin : begin + size] for begin, size in entry["part"]["ranges"])
        assert entry["part"]["sha256"] == hashlib.sha256(ranges).hexdigest()
        assert entry["part"]["source_size"] == len(source)
        assert entry["href"] == f"https://{HOST}/{name}.tif"
    relay.forget()
    again = fetched(served(large), corner_area(large, place, tmp_path), tmp_path / "again", raw)
    assert len(relay.exchanges) == len(raw.files), "what has not changed at its source was fetched again"
    assert again.files == raw.files


def corner_area(item: Path, place: tuple[int, int, int, int], folder: Path) -> Polygons:
    return read_polygons(area_file(item, folder / "corner.geojson", place), "corner").to(DEGREES)


@pytest.mark.slow
def test_a_file_that_cannot_be_read_by_ranges_is_fetched_whole_and_cut(
    large: Path, area: Polygons, relay: Relay, tmp_path: Path
) -> None:
    local = fetched(scene_of(large), area, tmp_path / "local")
    relay.add_host(HOST, files_of(large.parent, ranges=False))
    remote = fetched(served(large), area, tmp_path / "remote")
    assert local.part == remote.part == PART
    assert remote.checksums == local.checksums
    [begin, size] = remote.files["B8A"]["part"]["ranges"][0]
    assert (begin, size) == (0, (large.parent / "B8A.tif").stat().st_size)
    assert not (tmp_path / "incoming").exists()


def test_a_jpeg_2000_is_cut_too(large: Path, area: Polygons, tmp_path: Path) -> None:
    document = read_document(large)
    for name, asset in document["assets"].items():
        asset["href"] = str(large.parent / f"{name}.tif")
    path = tmp_path / "B05.jp2"
    options = {"QUALITY": "100", "REVERSIBLE": "YES"}
    rasterio.shutil.copy(str(large.parent / "B05.tif"), str(path), driver="JP2OpenJPEG", **options)
    document["assets"]["B05"]["href"] = str(path)
    raw = fetched(parse_scene(document), area, tmp_path / "raw_bands")
    whole = pixels(large.parent / "B05.tif")[0]
    assert (pixels(raw.paths["B05"])[0] == whole[192:738, 192:750]).all()


@pytest.mark.slow
def test_a_block_that_is_damaged_on_the_way_is_fetched_again(
    large: Path, area: Polygons, relay: Relay, tmp_path: Path
) -> None:
    relay.add_host(HOST, files_of(large.parent))
    with rasterio.open(large.parent / "B03.tif") as dataset:
        block = int(dataset.get_tag_item("BLOCK_OFFSET_3_3", "TIFF", bidx=1)) + 1000
        expected = dataset.read(1)[384:1476, 384:1500]
    relay.inject(once := Fault("/B03", "flip", after=block))
    relay.inject(busy := Fault("/B04", "status", times=2, status=503))
    raw = fetched(served(large), area, tmp_path / "once")
    assert (pixels(raw.paths["B03"])[0] == expected).all()
    assert (once.hits, busy.hits) == (1, 2)
    relay.inject(Fault("/B03", "flip", times=-1, after=block))
    with pytest.raises(BadBand, match=r"asset B03: https://.*/B03.tif cannot be decoded: the file is damaged ->"):
        fetched(served(large), area, tmp_path / "always")


@pytest.mark.slow
def test_a_part_that_has_arrived_is_not_fetched_again_after_the_fetch_of_another_one_failed(
    large: Path, area: Polygons, relay: Relay, tmp_path: Path
) -> None:
    relay.add_host(HOST, files_of(large.parent))
    with rasterio.open(large.parent / "B04.tif") as dataset:
        block = int(dataset.get_tag_item("BLOCK_OFFSET_3_3", "TIFF", bidx=1)) + 1000
    relay.inject(Fault("/B04", "flip", times=-1, after=block))
    with pytest.raises(BadBand, match="asset B04"):
        fetched(served(large), area, tmp_path / "failed")
    relay.clear()
    relay.forget()
    raw = fetched(served(large), area, tmp_path / "raw_bands")
    asked = Counter(exchange.path[1:-4] for exchange in relay.exchanges)
    assert [name for name in raw.files if asked[name] == 1] == ["B01", "B02", "B03"], "the header only"
    for name in ("B01", "B04"):
        column, row, width, height = raw.files[name]["part"]["window"]
        source = pixels(large.parent / f"{name}.tif")[0]
        assert (pixels(raw.paths[name])[0] == source[row : row + height, column : column + width]).all()
    assert not (tmp_path / "incoming").exists()


def test_every_request_is_signed_and_no_token_is_kept(
    large: Path, area: Polygons, pc: PlanetaryComputer, tmp_path: Path
) -> None:
    scene = served(large, pc.blobs.url("sentinel2-l2/large"))
    for name, href in scene.hrefs.items():
        pc.blobs.put(href, (large.parent / f"{name}.tif").read_bytes())
    raw = fetched(scene, area, tmp_path / "raw_bands")
    asked = [exchange for exchange in pc.relay.exchanges if exchange.host == pc.blobs.host]
    assert len(asked) > 2 * len(raw.files)
    assert all(exchange.signed and exchange.range and exchange.status == 206 for exchange in asked)
    assert pc.tokens_issued
    assert not any(b"sig=" in path.read_bytes() for path in raw.folder.iterdir())


def test_a_file_of_another_size_than_the_item_declares_is_refused(
    large: Path, area: Polygons, relay: Relay, tmp_path: Path
) -> None:
    relay.add_host(HOST, files_of(large.parent))
    scene = served(large)
    declared = {**scene.declared, "B02": replace(scene.declared["B02"], size=1000)}
    with pytest.raises(BadBand, match=r"asset B02: it has \d+ bytes, the item promises 1000 ->"):
        fetched(replace(scene, declared=declared), area, tmp_path / "raw_bands")


def test_a_missing_file_is_one_clear_error(large: Path, area: Polygons, relay: Relay, tmp_path: Path) -> None:
    relay.add_host(HOST, files_of(large.parent))
    relay.inject(Fault("/B11", "status", times=-1, status=404))
    with pytest.raises(BadBand, match=r"asset B11: .* is not to be had: the server answered 404 -> .* another item"):
        fetched(served(large), area, tmp_path / "missing")


def test_a_scene_beside_the_area_is_refused_before_anything_is_fetched(
    large: Path, relay: Relay, tmp_path: Path
) -> None:
    beside = replace(box_polygon(13.0, 55.0, 13.1, 55.1), names=("scania",))
    with pytest.raises(BadItem, match=r"it does not touch the store's area, scania -> choose a scene of the area"):
        fetched(served(large), beside, tmp_path / "raw_bands")
    assert relay.exchanges == []


def test_a_scene_that_the_area_covers_is_kept_as_it_is(large: Path, tmp_path: Path) -> None:
    everywhere = box_polygon(-20.0, 30.0, 40.0, 70.0)
    raw = fetched(scene_of(large), everywhere, tmp_path / "raw_bands")
    assert raw.part is None
    assert raw.paths["B02"].samefile(large.parent / "B02.tif")


@pytest.mark.slow
def test_zeros_that_depend_on_the_rest_of_the_scene_make_it_whole(large: Path, area: Polygons, tmp_path: Path) -> None:
    """Before baseline 04.00 dark ground can have DN 0. Connected with the border of the scene, it is no ground."""

    def without_offset(name: str, dn: np.ndarray, _: Any) -> np.ndarray:
        return np.where(dn, np.maximum(dn, 1001) - 1000, 0).astype(dn.dtype)

    item = before_the_offset(copy_scene(large, tmp_path))
    edit_bands(item, without_offset)
    found = []
    for where in ((1200, 1212, 1200, 1212), (1200, 1212, 1200, 1548)):
        for names, factor, value in ((("SCL",), 2, 4), (("B08",), 1, 0)):
            edit_bands(item, partial(filled, place=[n // factor for n in where], value=value), names)
        found.append(fetched(scene_of(item), area, tmp_path / f"{where}" / "raw_bands").part)
    assert found == [PART, None]


def filled(name: str, values: np.ndarray, _: Any, *, place: list[int], value: int) -> np.ndarray:
    top, bottom, left, right = place
    values[top:bottom, left:right] = value
    return values
