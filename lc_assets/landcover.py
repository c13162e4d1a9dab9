"""The class table: the ten EuroSAT classes and No Data, once.

Palette, legend, STAC classes, checks and docs derive from `CLASSES`; nothing else in the project spells out a class id,
name or colour. Another class table is another `CLASSES` (and a model whose contract names the same classes).

Classes: Helber et al. (2019), "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
Classification", IEEE JSTARS 12(7), doi:10.1109/JSTARS.2019.2918242.
"""

from __future__ import annotations

from typing import NamedTuple


class LandCover(NamedTuple):
    """One class: its code in the raster, its EuroSAT name, a readable title and its colour (8-bit RGB)."""

    code: int
    name: str
    title: str
    rgb: tuple[int, int, int]

    @property
    def hex(self) -> str:
        """Colour as six upper-case hex digits without '#', the form that STAC's `color_hint` wants."""
        return "{:02X}{:02X}{:02X}".format(*self.rgb)


CLASSES: tuple[LandCover, ...] = (
    LandCover(0, "AnnualCrop", "Annual crop", (232, 196, 88)),
    LandCover(1, "Forest", "Forest", (24, 104, 54)),
    LandCover(2, "HerbaceousVegetation", "Herbaceous vegetation", (146, 196, 74)),
    LandCover(3, "Highway", "Highway", (72, 72, 80)),
    LandCover(4, "Industrial", "Industrial", (170, 84, 170)),
    LandCover(5, "Pasture", "Pasture", (196, 230, 150)),
    LandCover(6, "PermanentCrop", "Permanent crop", (190, 110, 40)),
    LandCover(7, "Residential", "Residential", (214, 56, 60)),
    LandCover(8, "River", "River", (86, 180, 233)),
    LandCover(9, "SeaLake", "Sea or lake", (18, 72, 155)),
)
"""The classes that a model predicts, in code order: position == code."""

NO_DATA = LandCover(10, "No Data", "No data", (255, 255, 255))
"""What a pixel is called that was not, or could not be, classified. It is the raster's declared nodata value."""

ALL_CLASSES: tuple[LandCover, ...] = (*CLASSES, NO_DATA)
CLASS_NAMES: tuple[str, ...] = tuple(c.name for c in CLASSES)


def colormap() -> dict[int, tuple[int, int, int, int]]:
    """Raster palette: code -> (R, G, B, A). The ten classes are opaque, No Data is transparent."""
    return {c.code: (*c.rgb, 0 if c is NO_DATA else 255) for c in ALL_CLASSES}
