"""Make the pictures of README and docs: `python -m lc_assets_tests.rig.pictures docs` (or `make pictures`).

A store of its own, `lc-assets ui` on it, and a browser: the demo scene is materialised from Dagster's UI as
`test_ui.py` does it, then its report, a page of several synthetic scenes, and what `docs.make_pictures` draws. So
is the real scene in ../shared, where it is: its pixels are CC BY 4.0, see the README.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from docs import make_pictures as drawn
from lc_assets.defs.assets import SCENE_ASSETS
from lc_assets.demo.item_json import TRUTH
from lc_assets.demo.scene import DEMO_ITEM_ID, write_demo_scene
from lc_assets.raster.render import encode_image
from lc_assets.store.layout import ALL_SCENES, ZOOMABLE_MAP
from lc_assets_tests.products.pages.served_store import serving
from lc_assets_tests.rig.browser import chromium
from lc_assets_tests.rig.dagster_ui import DagsterUi, command, served
from loopback.programs import Missing

MOST_BYTES = 250_000
_SHARED = Path(__file__).parents[3] / "shared" / "data"
_WINDOW = (1400, 900)
_PLACES = {
    "32UMD": ("20240412", 8.4, 51.3),
    "32UNF": ("20240508", 9.0, 54.0),
    "33UUB": ("20240623", 12.0, 55.8),
    "33UVU": ("20240730", 13.6, 52.3),
    "32TPT": ("20240817", 10.9, 47.7),
}
"""Tile, day, west and south of the further synthetic scenes, as they pretend, on the page of all scenes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make all pictures; none is put into place before all are made."""
    parser = argparse.ArgumentParser(prog="python -m lc_assets_tests.rig.pictures", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    out: Path = parser.parse_args(arguments).out
    with tempfile.TemporaryDirectory(prefix="lc_assets-pictures-") as name:
        folder, made = Path(name), Path(name) / "made"
        made.mkdir()
        item = write_demo_scene(folder / "demo_scene")
        try:
            with chromium() as browser:
                _of_the_ui(browser, folder, item, made)
                _of_pages(browser, folder, made)
                _of_the_season(browser, folder, made)
        except Missing as missing:
            sys.exit(f"error: a picture of a page {missing}")
        _of_maps(folder, item.parent / f"{TRUTH}.tif", made)
        out.mkdir(parents=True, exist_ok=True)
        for picture in sorted(made.glob("*.png")):
            size = _slim(picture)
            shutil.copyfile(picture, out / picture.name)
            print(f"{out / picture.name}: {size / 1000:.0f} kB")


def _of_the_ui(browser: Browser, folder: Path, item: Path, made: Path) -> None:
    """The graph, and what a materialisation of class_raster shows."""
    names = [asset.key.to_user_string() for asset in SCENE_ASSETS]
    groups = sorted({group for asset in SCENE_ASSETS for group in asset.group_names_by_key.values()})
    command(folder, "register", item)
    with served(folder) as url:
        ui = DagsterUi(browser, url, made, _WINDOW)
        ui.graph()
        ui.make_room()
        ui.select(" or ".join(f'key:"{name}"' for name in names))
        ui.launch(DEMO_ITEM_ID)
        ui.follow()
        ui.page.set_viewport_size({"width": _WINDOW[0], "height": _WINDOW[1] * 2 // 3})
        ui.graph(groups)
        ui.node(names[-1]).wait_for()
        ui.shoot("ui_graph")
        ui.page.set_viewport_size({"width": _WINDOW[0], "height": _WINDOW[1]})
        ui.materialisation("class_raster", DEMO_ITEM_ID)
        ui.inline_pictures()
        ui.shoot("ui_materialisation")
        ui.close()


def _of_pages(browser: Browser, folder: Path, made: Path) -> None:
    """The report of the demo scene, and a page of several scenes."""
    _shoot(browser, (folder / "store" / "scenes" / DEMO_ITEM_ID / "report.html").as_uri(), made / "report.png")
    several = folder / "several"
    several.mkdir()
    items = [_moved(several, tile, seed) for seed, tile in enumerate(_PLACES, start=11)]
    command(several, "classify", *items)
    command(several, "view", "--no-open")
    _shoot(browser, (several / "store" / ALL_SCENES).as_uri(), made / "gallery.png")


def _moved(folder: Path, tile: str, seed: int) -> Path:
    """Another synthetic scene, as if it were of that tile: its footprint is where the tile is."""
    path = write_demo_scene(folder / tile, shape=(900, 900), seed=seed)
    document = json.loads(path.read_text())
    day, west, south = _PLACES[tile]
    east, north = west + 1.5, south + 1
    properties = document["properties"]
    properties.pop("s2:product_uri", None)
    properties.update({"s2:mgrs_tile": tile, "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:36:29.024000Z"})
    document.update(
        id=f"S2B_MSIL2A_{day}T103629_R008_T{tile}_{day}T140000",
        bbox=[west, south, east, north],
        geometry={
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        },
    )
    path.write_text(json.dumps(document))
    return path


def _of_the_season(browser: Browser, folder: Path, made: Path) -> None:
    """The map of all scenes, of the demo's season."""
    season = folder / "season"
    season.mkdir()
    command(season, "demo", "--season")
    with serving(season / "store") as server:
        _shoot(browser, f"http://127.0.0.1:{server.port}/{ZOOMABLE_MAP}", made / "map.png", 3000)


def _of_maps(folder: Path, truth: Path, made: Path) -> None:
    """The panels of the demo and its season, and those of the real scene."""
    arguments = [str(made), "--truth", str(truth), "--season", str(folder / "season")]
    real = next(_SHARED.glob("scenes/S2*/*.json"), None)
    if real:
        windows = folder / "windows"
        windows.mkdir()
        command(folder, "classify", real)
        command(windows, "classify", real, "--window", 64)
        arguments += ["--windows", str(windows / "store")]
    else:
        print("without ../shared there is no map of a real scene")
    os.environ["LC_ASSETS_STORE"] = str(folder / "store")
    drawn.main(arguments)


def _shoot(browser: Browser, page: str, target: Path, wait: int = 500) -> None:
    """A page in a wide window, after some milliseconds."""
    context = browser.new_context(viewport={"width": _WINDOW[0], "height": _WINDOW[1]}, color_scheme="light")
    opened = context.new_page()
    opened.goto(page, wait_until="load")
    opened.wait_for_timeout(wait)
    opened.screenshot(path=target, animations="disabled")
    context.close()


def _slim(path: Path) -> int:
    """Make a picture one of few colours, and if need be smaller, until it is light enough; its bytes."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    while True:
        for colours in (256, 128, 64):
            content = encode_image(image.quantize(colours), "PNG", optimize=True)
            if len(content) <= MOST_BYTES:
                path.write_bytes(content)
                return len(content)
        image = image.resize((image.width * 5 // 6, image.height * 5 // 6), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
