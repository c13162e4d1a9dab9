"""The map of all scenes: maps of different UTM zones lie in their right places, and a browser asks only for what it
shows."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rasterio.warp import transform, transform_bounds

from lc_assets.core.landcover import CLASSES, NO_DATA
from lc_assets.products.pages.gallery_items import read_gallery
from lc_assets.products.pages.map_tiles import MapSource, mercator, sources_of_tile, tile_png
from lc_assets.products.pages.zoomable_map import map_sources
from lc_assets.raster.grid import Grid
from lc_assets.store.layout import Store
from lc_assets_tests.products.pages.mapped_scenes import grid_at, mapped, mapped_scene
from lc_assets_tests.products.pages.served_store import Server, serving
from lc_assets_tests.rig.browser import assert_title

DAY, LATER = date(2024, 6, 21), date(2024, 7, 21)
PLACES = {
    "31UGT": (32631, 5.7, 51.8, 240, 100.0),
    "32ULC": (32632, 6.3, 51.9, 240, 100.0),  # beside it, in the next zone
    "33UUB": (32633, 12.0, 56.0, 60, 10.0),  # a part of a scene
}
FAR = {
    "33HXB": (32733, 17.0, -33.0, 240, 100.0),
    "60FYK": (32760, 179.98, -45.0, 240, 100.0),  # across the antimeridian
}


def quarters(pixels: int) -> np.ndarray:
    """Four classes, one in each quarter, and no data in the middle."""
    codes = np.ones((pixels, pixels), np.uint8)
    half, tenth = pixels // 2, pixels // 10
    codes[:half, half:], codes[half:, :half], codes[half:, half:] = 2, 3, 4
    codes[half - tenth : half + tenth, half - tenth : half + tenth] = NO_DATA.code
    return codes


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene at each place, a later one at the first place, and a season map."""
    root = tmp_path_factory.mktemp("mapped") / "store"
    for tile, place in PLACES.items():
        name = mapped_scene(root, tile, DAY, grid_at(*place), quarters(place[3]))
        (root / "scenes" / name / "report.html").write_text(f'<title>{tile}</title><link rel="icon" href="data:,">')
    mapped_scene(root, "31UGT", LATER, grid_at(*PLACES["31UGT"]), np.full((240, 240), 9, np.uint8))
    season = grid_at(32632, 9.0, 48.0, 160, 40.0)
    mapped(Store(root).map("spring"), season, quarters(160), DAY)
    return root


@pytest.fixture(scope="module")
def sources(store: Path, tmp_path_factory: pytest.TempPathFactory) -> list[MapSource]:
    """The maps of that store, and of one with scenes on the other side of the Earth."""
    far = tmp_path_factory.mktemp("far") / "store"
    for tile, place in FAR.items():
        mapped_scene(far, tile, DAY, grid_at(*place), quarters(place[3]))
    return [source for root in (store, far) for source in map_sources(Store(root), read_gallery(Store(root)))]


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[Server]:
    with serving(store) as running:
        yield running


def painted(source: MapSource, z: int) -> tuple[np.ndarray, int, int]:
    """All tiles of a map as one RGBA picture, and the tile at its corner."""
    x, y = zip(*(mercator(*position) for ring in source.rings for position in ring), strict=True)
    columns = range(math.floor(min(x) * 2**z), math.floor(max(x) * 2**z) + 1)
    rows = range(math.floor(min(y) * 2**z), math.floor(max(y) * 2**z) + 1)
    tiles = [[tile_png([source], z, column % 2**z, row) for column in columns] for row in rows]
    pictures = [[np.asarray(Image.open(io.BytesIO(tile)).convert("RGBA")) for tile in row] for row in tiles]
    return np.concatenate([np.concatenate(row, axis=1) for row in pictures]), columns[0], rows[0]


def place_of(grid: Grid, column: float, row: float, z: int) -> tuple[float, float]:
    """The pixel of the world of tiles in which a place of a raster lies."""
    (longitude,), (latitude,) = transform(grid.crs, "EPSG:4326", *[[v] for v in grid.transform @ (column, row)])
    return tuple(256 * 2**z * value for value in mercator(longitude, latitude))  # type: ignore[return-value]


@pytest.mark.parametrize("tile", [*PLACES, *FAR, "season"])
@pytest.mark.parametrize("finer", [0, 3])
def test_each_pixel_of_a_map_is_where_it_is_on_earth(sources: list[MapSource], tile: str, finer: int) -> None:
    """At a zoom coarser than the overview, and at one finer than the map."""
    if tile == "season":
        (source,) = (s for s in sources if s.moment is None)
        grid = grid_at(32632, 9.0, 48.0, 160, 40.0)
    else:
        source = next(s for s in sources if f"T{tile}_{DAY:%Y%m%d}" in s.key)
        grid = grid_at(*(PLACES | FAR)[tile])
    z = min(16, {100.0: 8, 40.0: 10, 10.0: 12}[grid.resolution] + finer)
    picture, left, top = painted(source, z)
    codes = quarters(grid.width)
    tenth = grid.width // 10
    seen = 0
    for column, row in [(a + 0.5, b + 0.5) for a in range(3, grid.width, tenth) for b in range(3, grid.width, tenth)]:
        near = codes[max(0, int(row) - 6) : int(row) + 7, max(0, int(column) - 6) : int(column) + 7]
        if (near != near[0, 0]).any():
            continue  # at the edge of a class, where a coarser pixel may be the other one
        x, y = place_of(grid, column, row, z)
        x += 256 * 2**z if x < 256 * left else 0  # the next turn around the Earth
        red, green, blue, alpha = picture[int(y - 256 * top), int(x - 256 * left)]
        code = int(codes[int(row), int(column)])
        assert (alpha == 0) if code == NO_DATA.code else (red, green, blue) == CLASSES[code].rgb
        seen += 1
    assert seen > 40
    if tile == "60FYK":
        return  # rasterio's bounds of it are the whole world
    rows, columns = np.nonzero(picture[..., 3])
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds, densify_pts=101)
    corners = [256 * 2**z * value for value in (*mercator(west, north), *mercator(east, south))]
    found = [256 * left + columns.min(), 256 * top + rows.min(), 256 * left + columns.max() + 1]
    assert [*found, 256 * top + rows.max() + 1] == pytest.approx(corners, abs=2)


def test_the_newest_map_is_on_top_and_an_older_one_fills_its_gaps(store: Path, sources: list[MapSource]) -> None:
    scenes = [s for s in sources if "T31UGT" in s.key]
    assert [s.moment.date() for s in scenes if s.moment] == [LATER, DAY]
    x, y = (int(value * 2**9) for value in mercator(5.7, 51.8))
    newest = np.asarray(Image.open(io.BytesIO(tile_png(scenes, 9, x, y))))
    assert (newest == 9).any() and not np.isin(newest, (1, 2, 3, 4)).any()
    older = np.asarray(Image.open(io.BytesIO(tile_png(scenes[::-1], 9, x, y))))
    assert {1, 2, 3, 4, 9} <= set(np.unique(older))
    gone = MapSource("scenes/gone", store / "gone.tif", store / "gone.tif", scenes[0].moment, scenes[0].rings)
    assert tile_png([gone, *scenes], 9, x, y) == tile_png(scenes, 9, x, y)


def test_a_tile_reads_only_the_maps_in_it(sources: list[MapSource]) -> None:
    x, y = (int(value * 2**7) for value in mercator(17.0, -33.0))
    assert ["33HXB" in s.key for s in sources_of_tile(sources, 7, x, y)] == [True]
    for longitude in (179.9, -179.95):  # both sides of the antimeridian
        x, y = (int(value * 2**12) for value in mercator(longitude, -45.0))
        assert ["60FYK" in s.key for s in sources_of_tile(sources, 12, x, y)] == [True]


def test_each_page_of_all_scenes_leads_to_the_others(server: Server) -> None:
    pages = ("index.html", "map.html", "plots.html")
    for name in pages:
        body = server.ask(f"/{name}").body.decode()
        assert [page for page in pages if f'<a href="./{page}">' in body] == [page for page in pages if page != name]


def test_the_page_of_all_scenes_lists_the_season_maps(server: Server, store: Path) -> None:
    assert "<li>spring " in server.ask("/index.html").body.decode(), "it has no report"
    report = store / "maps" / "spring" / "report.html"
    report.write_text("page")
    assert '<li><a href="maps/spring/report.html">spring</a> ' in server.ask("/index.html").body.decode()
    report.unlink()


def test_the_server_refuses_tiles_that_do_not_exist(server: Server) -> None:
    for path in (
        "/tiles/5/1/1.png",
        "/tiles/17/1/1.png",
        "/tiles/6/64/1.png",
        "/tiles/6/1/64.png",
        "/tiles/6/-1/1.png",
        f"/tiles/6/{'1' * 5000}/1.png",
    ):
        assert server.ask(path).status == 404
    answer = server.ask("/tiles/6/33/21.png?show=scenes/../..")
    assert answer.status == 200
    assert not np.asarray(Image.open(io.BytesIO(answer.body)).convert("RGBA"))[..., 3].any()


@contextmanager
def opened(browser: Any, server: Server, width: int = 1280, scheme: str = "light") -> Iterator[tuple[Any, list[str]]]:
    """The page, and the addresses that it has asked for."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page, asked, faults = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: faults.append(request.url) if "/tiles/" not in request.url else None)
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"http://127.0.0.1:{server.port}/map.html")
    page.wait_for_selector("#places path", state="attached")
    yield page, asked
    context.close()
    assert not faults
    assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:")) for url in asked)


def settled(page: Any) -> None:
    """Wait until all tiles are there: also those that the page has not asked for yet, for which it waits 80 ms."""
    for _ in range(2):
        page.wait_for_timeout(120)
        while not page.evaluate("[...document.querySelectorAll('.level img')].every((one) => one.complete)"):
            page.wait_for_timeout(20)


def middle(page: Any) -> tuple[int, ...]:
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    image = Image.open(io.BytesIO(page.screenshot(clip={"x": x, "y": y, "width": 1, "height": 1})))
    return tuple(image.convert("RGB").getpixel((0, 0)))


def test_the_map_is_moved_by_keys_and_pointer_and_shows_what_is_chosen(browser: Any, server: Server) -> None:
    with opened(browser, server) as (page, asked):
        settled(page)
        for _ in range(2):
            page.click("#farther")
        assert page.locator("#far").is_visible()
        before = len(asked)
        page.select_option("#place", label="32ULC")
        settled(page)
        assert 0 < len(asked) - before <= 30
        assert page.locator("#here li").all_inner_texts()[0].startswith("32ULC, 21 June 2024")
        page.select_option("#place", label="31UGT, 2 scenes")
        settled(page)
        assert middle(page) == CLASSES[9].rgb
        page.locator("#opacity").fill("0")
        assert middle(page) != CLASSES[9].rgb
        page.locator("#opacity").fill("100")
        page.locator("#until").fill("0")
        settled(page)
        assert middle(page) == CLASSES[1].rgb, "the earlier scene"
        page.locator("#until").fill("1")
        page.get_by_role("button", name="Show only 31UGT, 21 June 2024").click()
        settled(page)
        assert middle(page) == CLASSES[1].rgb
        assert "?show=scenes%2FS2B" in asked[-1]
        page.select_option("#show", label="Season map spring")
        page.select_option("#place", label="Season map spring")
        settled(page)
        assert middle(page) == CLASSES[1].rgb
        page.focus("#stage")
        before = page.inner_text("#scale span")
        page.keyboard.press("+")
        assert page.inner_text("#scale span") != before
        page.keyboard.press("Enter")
        assert page.inner_text("#here-words") == "1 map"
        box = page.locator("#stage").bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 300)
        before = page.inner_text("#scale span")
        page.mouse.wheel(0, -500)  # does not wait until the page has got it
        page.wait_for_function("before => document.querySelector('#scale span').innerText !== before", arg=before)
        place = page.locator("#places path.chosen").bounding_box()
        page.mouse.down()
        page.mouse.move(box["x"] + 400, box["y"] + 350, steps=4)
        page.mouse.up()
        moved = page.locator("#places path.chosen").bounding_box()
        assert (moved["x"] - place["x"], moved["y"] - place["y"]) == pytest.approx((100, 50), abs=1)
        page.select_option("#place", label="33UUB")
        page.get_by_role("link", name="33UUB, 21 June 2024").click()
        assert_title(page, "33UUB")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), pytest.param(1500, "light", marks=pytest.mark.slow)])
def test_the_map_fits_and_axe_finds_no_fault(
    browser: Any, server: Server, axe_script: Path, width: int, scheme: str
) -> None:
    with opened(browser, server, width, scheme) as (page, _):
        page.select_option("#place", label="32ULC")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.evaluate(axe_script.read_text())
        faults = page.evaluate("axe.run()")["violations"]
        assert not [(fault["id"], fault["impact"], fault["nodes"][0]["html"][:200]) for fault in faults]


@pytest.mark.slow
def test_a_store_of_a_thousand_scenes_opens_and_loads_only_what_is_in_view(
    browser: Any, store: Path, tmp_path: Path
) -> None:
    (first,) = (store / "scenes").glob("*T32ULC*/*.json")
    item = json.loads(first.read_text())
    for number in range(1000):
        name = f"scene{number:04d}"
        west, south = -120 + 2.4 * (number % 50), -40 + 4 * (number // 50)
        ring = [[west, south], [west + 1.5, south], [west + 1.5, south + 1], [west, south + 1], [west, south]]
        (tmp_path / "scenes" / name).mkdir(parents=True)
        item.update(id=f"{name}_classified", geometry={"type": "Polygon", "coordinates": [ring]})
        (tmp_path / "scenes" / name / f"{name}_classified.json").write_text(json.dumps(item))
    with serving(tmp_path) as server, opened(browser, server) as (page, asked):
        settled(page)
        assert page.locator("#places path").count() == 1000
        assert not [url for url in asked if "/tiles/" in url]
        page.select_option("#place", index=1)
        settled(page)
        assert 0 < len([url for url in asked if "/tiles/" in url]) <= 40
