"""Draw the README's pictures: `python -m docs.make_pictures docs` (or `make pictures`).

The demo scene as true colour, map and truth side by side. Any other scene that is in both stores as true colour, map of
windows and map of positions. The demo's season as the map of one date, the fused map and the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import rasterio
from PIL import Image, ImageDraw, ImageFont

from lc_assets.cli.demo import SEASON_MAP
from lc_assets.core.landcover import ALL_CLASSES, NO_DATA
from lc_assets.core.settings import Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.demo.season_figures import date_map
from lc_assets.raster.grid import Grid
from lc_assets.raster.render import BACKGROUND, FOREGROUND, class_image, quicklook, read_codes_for_display
from lc_assets.sentinel2.band_table import TRUE_COLOUR
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import StorePath, gdal_path

PANEL = 460
SEASON_DATE = "20240606"
"""Day of the season of which the map of one date is drawn: the clearest one."""


def demo_panels(folder: SceneLayout, truth: Path) -> Image.Image:
    """True colour, map and truth beside each other, with one legend below."""
    return _beside([_photo(folder), ("classified", _map(folder.classified)), ("truth", _map(truth))])


def real_panels(windows: SceneLayout, positions: SceneLayout) -> Image.Image:
    """True colour and two maps of one scene beside each other, with one legend below."""
    maps = [("map of windows", _map(windows.classified)), ("map of positions", _map(positions.classified))]
    return _beside([_photo(positions), *maps])


def season_panels(store: Store, truth: Path) -> Image.Image:
    """The map of one date, the fused map of all dates, and the truth beside each other, with one legend below."""
    layout = store.map(SEASON_MAP)
    with rasterio.open(gdal_path(layout.classified)) as dataset:
        grid, fused = Grid.of(dataset), dataset.read(1)
    scenes = [item for item in store.folders() if SEASON_DATE in item]
    single = date_map([gdal_path(store.scene(item).classified) for item in scenes], grid)
    maps = (("one date", single), ("six dates in one map", fused), ("truth", date_map([str(truth)], grid)))
    size = PANEL, round(PANEL * grid.height / grid.width)
    panels = []
    for title, codes in maps:
        codes[fused == NO_DATA.code] = NO_DATA.code  # outside the area
        panels.append((title, class_image(codes).resize(size, Image.Resampling.NEAREST)))
    return _beside(panels)


def _photo(folder: SceneLayout) -> tuple[str, Image.Image]:
    red, green, blue = (gdal_path(folder.raw_bands / f"{name}.tif") for name in TRUE_COLOUR)
    return "Sentinel-2, true colour", quicklook((red, green, blue), PANEL)


def _map(path: StorePath) -> Image.Image:
    codes, _ = read_codes_for_display(gdal_path(path), 2 * PANEL)
    step = max(1, round(max(codes.shape) / (2 * PANEL)))
    return class_image(codes[::step, ::step])


def _beside(panels: list[tuple[str, Image.Image]]) -> Image.Image:
    """Titled panels of the first one's size, with one legend below."""
    width, height = panels[0][1].size
    font = ImageFont.load_default(14)
    page = Image.new("RGB", (len(panels) * (width + 12) - 12, height + 78), BACKGROUND)
    draw = ImageDraw.Draw(page)
    for number, (title, panel) in enumerate(panels):
        x = number * (width + 12)
        draw.text((x, 2), title, fill=FOREGROUND, font=font)
        page.paste(panel.resize((width, height), Image.Resampling.NEAREST), (x, 22))
    x, y = 0, height + 30
    for c in ALL_CLASSES:
        step = int(font.getlength(c.title)) + 40
        if x + step > page.width:
            x, y = 0, y + 22
        draw.rectangle((x, y + 2, x + 13, y + 15), fill=c.rgb, outline=FOREGROUND)
        draw.text((x + 19, y), c.title, fill=FOREGROUND, font=font)
        x += step
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw what the store has."""
    parser = argparse.ArgumentParser(prog="python -m docs.make_pictures", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--truth", type=Path, default=Path("demo_scene") / DEMO_ITEM_ID / "truth.tif")
    parser.add_argument("--windows", type=Path, help="a second store, with maps of windows of the same scenes")
    parser.add_argument("--season", type=Path, help="a folder in which `lc-assets demo --season` has run")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store(Settings.from_environment().store)
    folders: list[StorePath] = [*(store.root / "scenes").iterdir()]
    for folder in sorted(folders, key=str):
        if folder.name == DEMO_ITEM_ID:
            demo_panels(store.scene(folder.name), options.truth).quantize(128).save(options.out / "demo.png")
        elif options.windows and not folder.name.startswith("."):
            windows = Store(options.windows.resolve()).scene(folder.name)
            real_panels(windows, store.scene(folder.name)).save(options.out / f"real_{folder.name}.png")
    if options.season:
        season = season_panels(Store(options.season.resolve() / "store"), options.season / "demo_season" / "truth.tif")
        season.quantize(64).save(options.out / "season.png", optimize=True)


if __name__ == "__main__":
    main()
