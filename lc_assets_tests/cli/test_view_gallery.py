"""`lc-assets view`: the page of all scenes, in a real browser."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.landcover import CLASSES
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.products.pages.gallery_items import read_gallery
from lc_assets.store.layout import ALL_SCENES, SceneLayout, Store
from lc_assets_tests.cli.gallery_page import View, page_of, shown, widths
from lc_assets_tests.products.pages.gallery_scenes import box, laid
from lc_assets_tests.rig.browser import assert_title


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
    page = (store / ALL_SCENES).read_text()
    assert all(name in page for name in (*broken, "waiting"))


def test_odd_entries_of_a_store_are_named_and_keep_nothing_out(view: View, store: Path) -> None:
    scenes = store / "scenes"
    for name in ("S2_FOLDER", "S2_LOOP", "S2_PIPE", "S2_ENDLESS"):
        (scenes / name).mkdir()
    (scenes / "S2_FOLDER" / "S2_FOLDER_classified.json").mkdir()
    loop = scenes / "S2_LOOP" / "S2_LOOP_classified.json"
    loop.symlink_to(loop)
    (scenes / "S2_CIRCLE").symlink_to(scenes / "S2_CIRCLE")
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
    (store / "scenes" / "notes").write_text("a file, so no scene")
    assert "notes" not in view("--store", store).output
    assert "<script>document" not in (store / ALL_SCENES).read_text()
    with page_of(browser, store / ALL_SCENES) as page:
        assert_title(page, "Land cover: 5 scenes")
        assert page.locator(f"[id='scene-{name}']").count() == 1


def test_scenes_of_one_tile_and_day_have_different_titles(store: Path, scene: SceneLayout) -> None:
    for tile, time in (("31UFT", "10:36:29"), ("31UFT", "10:46:29"), ("31UFU", "10:36:29"), ("31UFU", "10:36:29")):
        number = len(list((store / "scenes").iterdir()))
        properties = {"datetime": f"2024-07-01T{time}Z", "platform": f"Sentinel-2{'AB'[number % 2]}"}
        laid(scene, store, tile, date(2020, 1, number), box(4, 51, 5, 52), properties=properties)
    titles = sorted(card.title for card in read_gallery(Store(store)).shown if card.day == "1 July 2024")
    assert titles == [
        "31UFT, 1 July 2024, 10:36:29 UTC, synthetic",
        "31UFT, 1 July 2024, 10:46:29 UTC, synthetic",
        "31UFU, 1 July 2024, 10:36:29 UTC, S2A, synthetic",
        "31UFU, 1 July 2024, 10:36:29 UTC, S2B, synthetic",
    ]


def test_the_page_filters_orders_and_leads_to_reports(view: View, store: Path, browser: Any) -> None:
    view("--store", store)
    with page_of(browser, store / ALL_SCENES) as page:
        assert shown(page) == [
            "33UUB, 23 June 2024, synthetic",
            *(f"32ULC, 21 {month} 2024, synthetic" for month in ("June", "May", "April")),
        ]
        assert all(widths(page))
        page.select_option("#order", label=f"Most {CLASSES[2].title.lower()}")
        assert shown(page)[0] == "32ULC, 21 May 2024, synthetic"
        page.select_option("#order", "oldest")
        assert shown(page)[0] == "32ULC, 21 April 2024, synthetic"
        page.fill("#filter", "32ulc june")
        page.get_by_text("1 of 4 shown").wait_for()
        assert shown(page) == ["32ULC, 21 June 2024, synthetic"]
        assert page.locator(".spot:visible").count() == 1
        page.get_by_role("link", name="Plots").click()
        assert_title(page, "Land cover: plots over 4 scenes")
        page.get_by_role("link", name="All scenes").click()
        page.get_by_role("link", name="32ULC, 21 June 2024").click()
        assert_title(page, "S2B_MSIL2A_20240621T103629_R008_T32ULC_20240621T140000")


def test_map_and_cards_point_at_each_other_by_mouse_and_by_keyboard(view: View, store: Path, browser: Any) -> None:
    view("--store", store)
    with page_of(browser, store / ALL_SCENES) as page:
        page.locator(".card").first.hover()
        assert page.locator(".spot.lit").get_attribute("aria-label") == "33UUB, 23 June 2024, synthetic"
        page.get_by_role("link", name="32ULC, 3 scenes").hover()
        assert page.locator(".card.lit").count() == 3
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip the map"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Plots"
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
    with page_of(browser, store / ALL_SCENES, width, scheme) as page:
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
    with page_of(browser, tmp_path / ALL_SCENES) as page:
        assert page.locator(".card").count() == 2000
        page.fill("#filter", "scene1999")
        page.get_by_text("1 of 2000 shown").wait_for()
