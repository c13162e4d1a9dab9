"""Draw the README's pictures: `python -m docs.make_pictures docs` (or `make pictures`).

The demo scene as true colour, map and truth side by side; of any other scene in the store only its map, because the
pixels of a scene are not ours to publish; with `--coarse` a pair of maps, at two strides.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lc_assets.core.landcover import ALL_CLASSES
from lc_assets.core.settings import Settings
from lc_assets.demo.scene import DEMO_ITEM_ID
from lc_assets.inference.class_map import ClassMap
from lc_assets.raster.render import (
    BACKGROUND,
    FOREGROUND,
    class_image,
    map_with_legend,
    quicklook,
    read_codes_for_display,
)
from lc_assets.sentinel2.band_table import TRUE_COLOUR
from lc_assets.store.layout import SceneLayout, Store
from lc_assets.store.paths import StorePath, gdal_path

PANEL = 460


def demo_panels(folder: SceneLayout, truth: Path) -> Image.Image:
    """True colour, map and truth beside each other, with one legend below."""
    red, green, blue = (gdal_path(folder.raw_bands / f"{name}.tif") for name in TRUE_COLOUR)
    panels = [
        ("Sentinel-2, true colour", quicklook((red, green, blue), PANEL)),
        ("classified", class_image(_sampled(read_codes_for_display(gdal_path(folder.classified), 2 * PANEL)[0]))),
        ("truth", class_image(_sampled(read_codes_for_display(gdal_path(truth), 2 * PANEL)[0]))),
    ]
    return _beside(panels)


def stride_panels(coarse: SceneLayout, fine: SceneLayout) -> Image.Image:
    """Two maps of one scene, made at different strides, beside each other."""
    panels = []
    for folder in (coarse, fine):
        classes = ClassMap.open(folder)
        panels.append(
            (
                f"stride {classes.tags['STRIDE']}",
                class_image(_sampled(read_codes_for_display(gdal_path(folder.classified), 600)[0])),
            )
        )
    return _beside(panels)


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


def scene_map(folder: SceneLayout) -> bytes:
    """PNG of a scene's map with legend."""
    classes = ClassMap.open(folder)
    codes, pixel_size = read_codes_for_display(gdal_path(folder.classified), 600)
    return map_with_legend(codes, classes.pixels, classes.grid.pixel_area, pixel_size)


def _sampled(codes: np.ndarray) -> np.ndarray:
    step = max(1, round(max(codes.shape) / (2 * PANEL)))
    return codes[::step, ::step]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw what the store has."""
    parser = argparse.ArgumentParser(prog="python -m docs.make_pictures", description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--truth", type=Path, default=Path("demo_scene") / DEMO_ITEM_ID / "truth.tif")
    parser.add_argument("--coarse", type=Path, help="a second store, of the same scenes at a coarser stride")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    store = Store(Settings.from_environment().store)
    folders: list[StorePath] = [*(store.root / "scenes").iterdir()]
    for folder in sorted(folders, key=str):
        if folder.name == DEMO_ITEM_ID:
            demo_panels(store.scene(folder.name), options.truth).quantize(128).save(options.out / "demo.png")
        elif not folder.name.startswith("."):
            (options.out / f"map_{folder.name}.png").write_bytes(scene_map(store.scene(folder.name)))
            if options.coarse:
                pair = stride_panels(Store(options.coarse.resolve()).scene(folder.name), store.scene(folder.name))
                pair.quantize(32).save(options.out / f"strides_{folder.name}.png")


if __name__ == "__main__":
    main()
