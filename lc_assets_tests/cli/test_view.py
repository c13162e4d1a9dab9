"""`lc-assets view`: a scene's report, the page of all scenes, the map of where they are; pages in a real browser."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from lc_assets.cli import view as view_command
from lc_assets.core.errors import LandCoverError
from lc_assets.core.landcover import CLASSES
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.collection.sanitize import CLASS_KEYS
from lc_assets.products.pages import locator_map
from lc_assets.products.pages.gallery import PAGE
from lc_assets.products.pages.gallery_items import read_gallery
from lc_assets.products.pages.locator_map import Extent, MapMarker, extent_of, land_png, locator_svg, outlines
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path
from lc_assets_tests.rig.command import invoke
from lc_assets_tests.rig.object_stores import s3_store

View = Callable[..., Result]


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    """`lc-assets view`; what it opens stands in `view.opened`."""
    opened: list[str] = []

    def start(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(view_command.webbrowser, "open", start)
    # All land of the world is read as a stream, for a second: what is land has a test of its own.
    monkeypatch.setattr(locator_map, "_land", lambda rows, columns: np.zeros((len(rows), len(columns)), bool))

    def run(*arguments: object, code: int = 0) -> Result:
        return invoke("view", *arguments, code=code)

    run.opened = opened  # type: ignore[attr-defined]
    return run


@pytest.fixture
def scene(classified_demo: Any) -> SceneLayout:
    desk, _ = classified_demo
    return desk.folder(DEMO_ITEM_ID)


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
    """The demo's map once more, as if it were of another tile and day, with one class above all; its id."""
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


@pytest.fixture
def store(scene: SceneLayout, tmp_path: Path) -> Path:
    """Three scenes of one tile, one of another."""
    root = tmp_path / "store"
    for month, most in ((4, 1), (5, 2), (6, 3)):
        laid(scene, root, "32ULC", date(2024, month, 21), box(6.5, 51.4, 8, 52.3), most)
    laid(scene, root, "33UUB", date(2024, 6, 23), box(12, 51.4, 13.5, 52.3), 1)
    return root


@contextmanager
def page_of(browser: Any, path: Path, width: int = 1600, scheme: str = "light") -> Iterator[Any]:
    """A page on a file, which must ask for no other address than files and fail at nothing."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not faults


def shown(page: Any) -> list[str]:
    """Titles of the cards, in their order; of those far below, too, which the browser has not laid out."""
    return page.locator(".card h3").all_text_contents()


def widths(page: Any) -> list[int]:
    """Natural widths of the pictures; one at least."""
    found = page.evaluate("Promise.all([...document.images].map((i) => i.decode().then(() => i.naturalWidth)))")
    assert found
    return found


# ---- one scene


def test_view_opens_the_report_of_a_scene_named_in_full_or_in_part(view: View, store: Path) -> None:
    name = "S2B_MSIL2A_20240623T103629_R008_T33UUB_20240623T140000"
    report = store / "scenes" / name / "report.html"
    for wanted in (name, "33UUB", "33uub 2024-06-23", "20240623"):
        assert report.as_uri() in view(wanted, "--store", store).output
    assert view.opened == [report.as_uri()] * 4  # type: ignore[attr-defined]


def test_view_only_tells_where_the_page_is_if_that_is_wished(view: View, store: Path) -> None:
    assert str(store / PAGE) in view("--no-open", "--store", store).output
    assert not view.opened  # type: ignore[attr-defined]


def test_a_name_that_fits_several_scenes_or_none_is_told_in_one_line(view: View, store: Path) -> None:
    several = view("32ULC", "--store", store, code=1).output
    assert "fits 3 scenes" in several
    assert all(f"20240{month}21T103629" in several for month in (4, 5, 6))
    none = view("99XXX", "--store", store, code=1).output
    assert "lc-assets classify 99XXX" in none
    assert "lc-assets classify" in view("--store", store / "empty", code=1).output
    for said in (several, none):
        assert len(said.strip().splitlines()) == 1


def test_a_scene_without_a_report_tells_how_to_make_one(view: View, scene: SceneLayout, tmp_path: Path) -> None:
    name = laid(scene, tmp_path, "32ULC", date(2024, 6, 21), box(6, 51, 7, 52), report=False)
    assert f"lc-assets classify {name}" in view("32ULC", "--store", tmp_path, code=1).output


def test_a_machine_without_a_browser_is_told_the_address(
    view: View, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_command.webbrowser, "open", lambda url: False)
    assert "open it yourself" in view("33UUB", "--store", store).output


# ---- all scenes


def test_a_broken_item_is_named_and_the_others_are_shown(view: View, store: Path) -> None:
    broken = ("not-json", "odd-geometry", "no-properties")
    for name in broken:
        (store / "scenes" / name).mkdir()
    (store / "scenes" / broken[0] / f"{broken[0]}_classified.json").write_text("{")
    good = json.loads(next((store / "scenes").glob("*33UUB*/*.json")).read_text())
    odd = {**good, "id": f"{broken[1]}_classified", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    (store / "scenes" / broken[1] / f"{broken[1]}_classified.json").write_text(json.dumps(odd))
    (store / "scenes" / broken[2] / f"{broken[2]}_classified.json").write_text('{"id": "no-properties_classified"}')
    (store / "scenes" / "waiting").mkdir()
    said = view("--store", store).output
    assert all(f"{name} cannot be shown" in said for name in broken)
    gallery = read_gallery(Store(store))
    assert len(gallery.shown) == 4
    assert gallery.waiting == ("waiting",)
    page = (store / PAGE).read_text()
    assert all(name in page for name in (*broken, "waiting"))


def test_odd_entries_of_a_store_are_named_and_keep_nothing_out(view: View, store: Path) -> None:
    scenes = store / "scenes"
    for name in ("S2_FOLDER", "S2_LOOP", "S2_PIPE", "S2_ENDLESS"):
        (scenes / name).mkdir()
    (scenes / "S2_FOLDER" / "S2_FOLDER_classified.json").mkdir()
    loop = scenes / "S2_LOOP" / "S2_LOOP_classified.json"
    loop.symlink_to(loop)
    os.mkfifo(scenes / "S2_PIPE" / "S2_PIPE_classified.json")
    (scenes / "S2_ENDLESS" / "S2_ENDLESS_classified.json").symlink_to("/dev/zero")
    done = view("--store", str(store), "--no-open")
    assert done.exit_code == 0, done.output
    for name in ("S2_FOLDER", "S2_LOOP", "S2_PIPE", "S2_ENDLESS"):
        assert f"{name} cannot be shown" in done.output
    assert DEMO_ITEM_ID in (store / "index.html").read_text()


def test_hostile_texts_of_an_item_stay_texts(view: View, store: Path, scene: SceneLayout, browser: Any) -> None:
    evil = "\"><img src=x onerror=\"document.title='bad'\"><script>document.title='bad'</script>"
    texts = {"title": evil, "s2:mgrs_tile": evil}
    name = laid(scene, store, "31UFT", date(2024, 7, 1), box(4, 51, 5, 52), properties=texts)
    (store / "scenes" / "bad").mkdir()
    (store / "scenes" / "bad" / "bad_classified.json").write_text(json.dumps({"id": evil}))
    view("--store", store)
    assert "<script>document" not in (store / PAGE).read_text()
    with page_of(browser, store / PAGE) as page:
        assert page.title() == "Land cover: 5 scenes"
        assert page.locator(f"[id='scene-{name}']").count() == 1


def test_the_page_filters_orders_and_leads_to_reports(view: View, store: Path, browser: Any) -> None:
    view("--store", store)
    with page_of(browser, store / PAGE) as page:
        assert shown(page) == [
            "33UUB, 23 June 2024",
            *(f"32ULC, 21 {month} 2024" for month in ("June", "May", "April")),
        ]
        assert all(widths(page))
        page.select_option("#order", label=f"Most {CLASSES[2].title.lower()}")
        assert shown(page)[0] == "32ULC, 21 May 2024"
        page.select_option("#order", "oldest")
        assert shown(page)[0] == "32ULC, 21 April 2024"
        page.fill("#filter", "32ulc june")
        page.get_by_text("1 of 4 shown").wait_for()
        assert shown(page) == ["32ULC, 21 June 2024"]
        assert page.locator(".spot:visible").count() == 1
        page.get_by_role("link", name="32ULC, 21 June 2024").click()
        assert page.title() == "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000"


def test_map_and_cards_point_at_each_other_by_mouse_and_by_keyboard(view: View, store: Path, browser: Any) -> None:
    view("--store", store)
    with page_of(browser, store / PAGE) as page:
        page.locator(".card").first.hover()
        assert page.locator(".spot.lit").get_attribute("aria-label") == "33UUB, 23 June 2024"
        page.get_by_role("link", name="32ULC, 3 scenes").hover()
        assert page.locator(".card.lit").count() == 3
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip the map"
        page.keyboard.press("Tab")
        assert page.locator(".card.lit").count() == 1
        page.keyboard.press("Tab")
        assert page.locator(".card.lit").count() == 3
        page.keyboard.press("Enter")  # a tile of several scenes: its cards
        assert page.input_value("#filter") == "32ULC"
        assert len(shown(page)) == 3


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (360, "light"), (1600, "dark"), (1600, "light")])
def test_the_page_fits_and_axe_finds_no_fault(
    view: View, store: Path, browser: Any, axe_script: Path, width: int, scheme: str
) -> None:
    (store / "scenes" / "waiting").mkdir()
    view("--store", store)
    with page_of(browser, store / PAGE, width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.evaluate(axe_script.read_text())
        faults = page.evaluate("axe.run()")["violations"]
        assert not [(fault["id"], fault["impact"], fault["nodes"][0]["html"][:200]) for fault in faults]


def test_thousands_of_scenes_are_listed(view: View, scene: SceneLayout, tmp_path: Path, browser: Any) -> None:
    first = Path(str(scene.folder)) / f"{DEMO_ITEM_ID}_classified.json"
    content = first.read_text()
    for number in range(2000):
        name = f"scene{number:04d}"
        (tmp_path / "scenes" / name).mkdir(parents=True)
        (tmp_path / "scenes" / name / f"{name}_classified.json").write_text(
            content.replace(f'"{DEMO_ITEM_ID}_classified"', f'"{name}_classified"')
        )
    view("--store", tmp_path)
    with page_of(browser, tmp_path / PAGE) as page:
        assert page.locator(".card").count() == 2000
        page.fill("#filter", "scene1999")
        page.get_by_text("1 of 2000 shown").wait_for()


def test_an_object_store_gets_its_page_and_the_user_a_copy(
    view: View, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Any
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with s3_store(tmp_path / "scratch") as server:
        root = parse_path(f"{server.url}/{tmp_path.name}")
        assert isinstance(root, ObjectPath)
        for file in (path for path in store.rglob("*") if path.is_file()):
            (root / str(file.relative_to(store))).write_bytes(file.read_bytes())
        said = view("--store", root).output
        assert "without links to the scenes" in said
        assert b"report.html" in (root / PAGE).read_bytes()
        copy = Path(said.strip().splitlines()[-2])
        assert tmp_path in copy.parents
        with page_of(browser, copy) as page:
            assert page.locator(".card").count() == 4
            assert page.locator("a[href*='report.html']").count() == 0
            assert all(widths(page))
        said = view("33UUB", "--store", root).output
        assert "lead nowhere" in said
        assert "<title>S2B_MSIL2A_20240623" in Path(said.strip().splitlines()[-2]).read_text()
        next(place for place in (root / "scenes").iterdir() if "20240421" in place.name).joinpath(
            "report.html"
        ).unlink()
        assert "has no report yet" in view("20240421", "--store", root, code=1).output


# ---- the map


def test_land_is_where_it_is(tmp_path: Path) -> None:
    def alphas(extent: Extent) -> np.ndarray:
        path = tmp_path / "land.png"
        path.write_bytes(land_png(extent))
        with Image.open(path) as image:
            assert image.mode == "P"
            return np.asarray(image.convert("RGBA"))[:, :, 3]

    def at(extent: Extent, longitude: float, latitude: float) -> int:
        land = alphas(extent)
        x, y = extent.at((longitude, latitude))
        return int(land[int(y / extent.height * land.shape[0]), int(x / 1000 * land.shape[1])])

    europe = Extent(-12, 42, 22, 58)
    assert at(europe, 13.4, 52.5) > 100  # Berlin
    assert at(europe, -10, 48) == 0  # the Atlantic
    fiji = Extent(174, -22, 186, -14)
    assert at(fiji, 178.0, -17.8) > 100  # Viti Levu
    assert at(fiji, 180.15, -16.8) > 100  # Taveuni, beyond the antimeridian
    assert at(fiji, 184, -20) == 0


def test_scenes_on_both_sides_of_the_antimeridian_are_neighbours() -> None:
    split = {
        "type": "MultiPolygon",
        "coordinates": [box(179, -17, 180, -16)["coordinates"], box(-180, -17, -179.5, -16)["coordinates"]],
    }
    jumping = box(179.5, -18, -179.5, -17)
    rings = [*outlines(split), *outlines(jumping)]
    extent = extent_of(rings)
    assert extent.west < 179 < 180.5 < extent.east < 200
    drawn = locator_svg(
        [MapMarker("a", "#", "split", outlines(split)), MapMarker("b", "#", "jumping", outlines(jumping))], extent
    )
    xs = [float(pair.split(",")[0]) for part in drawn.split('d="M')[2:] for pair in part.split("Z")[0].split()]
    assert max(xs) - min(xs) < 250  # of 1000: side by side


def test_scenes_far_apart_are_shown_on_the_whole_world() -> None:
    rings = [ring for west in (-70, 13, 150) for ring in outlines(box(west, -20, west + 1, -19))]
    extent = extent_of(rings)
    assert (extent.west, extent.east) == (-180, 180)
    assert 'class="spot dot"' in locator_svg([MapMarker("a", "#", "one", tuple(rings[:1]))], extent)


def test_labels_and_links_of_the_map_are_escaped() -> None:
    svg = locator_svg([MapMarker('"><b>', '"><b>', '"><b>', outlines(box(1, 1, 2, 2)))], Extent(0, 0, 6, 4))
    assert "<b>" not in svg


def test_a_land_mask_of_another_kind_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.savez(tmp_path / "mask.npz", mask=np.zeros((4, 4), dtype=bool))
    monkeypatch.setattr(locator_map, "_mask_file", lambda: tmp_path / "mask.npz")
    with pytest.raises(LandCoverError, match="install it again"):
        land_png(Extent(0, 0, 6, 4))
