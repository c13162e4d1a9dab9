"""`lc-assets search --done`: filters, footprints, and the lines that it prints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lc_assets.cli import search_done
from lc_assets.core.landcover import CLASSES
from lc_assets.products.collection.search import Found
from lc_assets.products.collection.update import update
from lc_assets.store.layout import COLLECTION_FILE, Store
from lc_assets_tests.products.collection.store_items import Document, add, everything, needs_extra, only, scene_id
from lc_assets_tests.rig.command import NOBODY, invoke


def test_a_row_without_a_map_or_with_a_string_as_cloud_cover_is_shown(store: Store) -> None:
    odd: Any = {"cloud": "much", "model": 5, "map": None}
    found = Found(scene=scene_id(0), datetime="2024-01-01T00:00:00Z", tile=None, **odd)
    assert str(store.scene(scene_id(0)).classified) in search_done.map_row(store, found)
    assert "? % cloud" in search_done.map_row(store, found)


@pytest.fixture(scope="session")
def ten(template: Document, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of ten maps and their index."""
    store = Store(tmp_path_factory.mktemp("ten") / "store")
    for number in range(10):
        tile = {"s2:mgrs_tile": "32ULC" if number else "07HFE"}
        add(store, template, number, **{"eo:cloud_cover": 10.0 * number, **tile})
    update(store, everything)
    return store


@pytest.fixture
def done(store: Store, ten: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """`lc-assets search --done` in a store of ten maps, without a server and without an instance."""
    shutil.copytree(ten.root, store.root)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ASSETS_STAC_URL", NOBODY)
    monkeypatch.setenv("LC_ASSETS_STORE", str(store.root))
    yield partial(invoke, "search", "--done")
    assert not (tmp_path / ".dagster").exists()


def listed(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@needs_extra
@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ((), range(10)),
        (("--bbox", "-150,0,-147.6,20"), (0, 1, 2)),
        (("--bbox", "-150,0,-147.6,9.9"), ()),
        (("--bbox", "170,0,-148.9,20"), (0, 1)),
        (("--datetime", "2024-02/2024-03"), (1, 2)),
        (("--datetime", "2024-09-01/.."), (8,)),
        (("--max-cloud", "20"), (0, 1, 2)),
        (("--tile", "T7HFE"), (0,)),
        (("--max-nodata", "0"), ()),
        (("--datetime", "2024-02/2024-09", "--max-cloud", "50", "--bbox", "-147.3,0,0,20"), (3, 4, 5)),
    ],
)
def test_maps_are_found_by_the_filters_of_a_search(
    done: Callable[..., Result], arguments: tuple[str, ...], numbers: tuple[int, ...]
) -> None:
    assert sorted(listed(done("--ids", *arguments))) == sorted(scene_id(number) for number in numbers)


@needs_extra
def test_a_polygon_is_compared_with_footprints_not_with_their_boxes(
    store: Store, template: Document, done: Callable[..., Result], tmp_path: Path
) -> None:
    half = add(store, template, 20)
    path = Path(str(store.scene(half).folder)) / f"{half}_classified.json"
    item = json.loads(path.read_text())
    west, south, east, north = item["bbox"]
    ring = [[west, south], [east, south], [west, north], [west, south]]
    path.write_text(json.dumps(item | {"geometry": {"type": "Polygon", "coordinates": [ring]}}))
    update(store, only(half))
    empty, full = tmp_path / "empty.json", tmp_path / "full.json"
    for file, (x, y) in ((empty, (east - 0.1, north - 0.1)), (full, (west + 0.1, south + 0.1))):
        square = [[x, y], [x + 0.05, y], [x + 0.05, y + 0.05], [x, y + 0.05], [x, y]]
        file.write_text(json.dumps({"type": "Polygon", "coordinates": [square]}))
    assert listed(done("--ids", "--geometry", str(empty))) == []
    assert listed(done("--ids", "--geometry", str(full))) == [half]
    assert listed(done("--ids", "--bbox", f"{east - 0.1},{north - 0.1},{east},{north}")) == []


@needs_extra
def test_maps_across_the_antimeridian_are_found_from_both_sides(
    store: Store, template: Document, done: Callable[..., Result]
) -> None:
    across = add(store, template, 30)
    path = Path(str(store.scene(across).folder)) / f"{across}_classified.json"
    parts = [
        [[[w, 10], [e, 10], [e, 11], [w, 11], [w, 10]]]
        for w, e in ((179.5, 180), (-180, -179.5))  # two halves of one footprint
    ]
    item = json.loads(path.read_text()) | {
        "bbox": [179.5, 10, -179.5, 11],
        "geometry": {"type": "MultiPolygon", "coordinates": parts},
    }
    path.write_text(json.dumps(item))
    update(store, only(across))
    for box in ("179.6,10,179.7,11", "-179.9,10,-179.8,11", "179,10,-179,11"):
        assert listed(done("--ids", "--bbox", box)) == [across]
    assert across not in listed(done("--ids", "--bbox", "-10,10,10,11"))
    document = json.loads((Path(str(store.collection)) / COLLECTION_FILE).read_text())
    assert document["extent"]["spatial"]["bbox"][0][::2] == [-180, 180]


@needs_extra
def test_a_line_has_time_tile_model_and_classes(store: Store, template: Document, done: Callable[..., Result]) -> None:
    [line] = listed(done("--datetime", "2024-03"))
    scene = scene_id(2)
    hectares = template["properties"]["lc:hectares"]
    greatest = max(CLASSES, key=lambda c: hectares[c.name])
    for word in (
        *(scene, "2024-03-21T10:36:29", "32ULC", "20.0 % cloud", template["properties"]["lc:model"], greatest.title),
        str(store.scene(scene).classified),
    ):
        assert word in line


@needs_extra
def test_a_search_warns_of_maps_that_the_collection_does_not_have_yet(
    store: Store, template: Document, done: Callable[..., Result]
) -> None:
    message = "the store has maps that its collection does not have yet -> lc-assets collection"
    Path(str(store.scene(scene_id(11)).folder)).mkdir()
    assert message not in done().stderr
    add(store, template, 12)
    assert message in done("--datetime", "2024-02").stderr


@needs_extra
def test_a_mistake_is_an_error_of_one_line(done: Callable[..., Result], tmp_path: Path) -> None:
    for arguments, words in (
        (("--store", str(tmp_path / "none")), "lc-assets collection"),
        (("--bbox", "1,2"), "is no box"),
        (("--datetime", "yesterday"), "is no date"),
        (("--store", "ftp://host/x"), "s3://bucket"),
    ):
        result = done(*arguments)
        assert result.exit_code == 1
        assert words in result.stderr
        assert "Traceback" not in result.output
    assert done("--register").exit_code == 2
