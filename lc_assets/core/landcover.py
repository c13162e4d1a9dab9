"""The class table: the ten EuroSAT classes and No Data.

Palette, legend, STAC classes, checks and docs derive from `CLASSES`: no other place contains a class id or colour. To
use another class table, change `CLASSES` and use a model whose contract names the same classes. Rules for single
classes (a river is not a lake) name them: `grep -r SeaLake` finds these places.

Classes: Helber et al. (2019), "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover
Classification", IEEE JSTARS 12(7), doi:10.1109/JSTARS.2019.2918242.
"""

from __future__ import annotations

from typing import NamedTuple


class LandCover(NamedTuple):
    """One class: its code in the raster, its EuroSAT name, a title for people and its colour (8-bit RGB)."""

    code: int
    name: str
    title: str
    rgb: tuple[int, int, int]

    @property
    def hex(self) -> str:
        """Colour as six upper-case hex digits without '#', as STAC's `color_hint` requires."""
        return "{:02X}{:02X}{:02X}".format(*self.rgb)


CLASSES: tuple[LandCover, ...] = (
    LandCover(0, "AnnualCrop", "Annual crop", (252, 222, 84)),
    LandCover(1, "Forest", "Forest", (10, 76, 48)),
    LandCover(2, "HerbaceousVegetation", "Herbaceous vegetation", (166, 172, 64)),
    LandCover(3, "Highway", "Highway", (54, 46, 66)),
    LandCover(4, "Industrial", "Industrial", (158, 102, 160)),
    LandCover(5, "Pasture", "Pasture", (208, 250, 188)),
    LandCover(6, "PermanentCrop", "Permanent crop", (128, 76, 18)),
    LandCover(7, "Residential", "Residential", (206, 78, 80)),
    LandCover(8, "River", "River", (92, 178, 226)),
    LandCover(9, "SeaLake", "Sea or lake", (24, 64, 176)),
)
"""The classes that a model predicts, ordered by code: the position in the tuple is the code.

Any two of the eleven colours differ by 12 or more in CIEDE2000, for normal colour vision and for colour vision without
red, green or blue cones (simulated after Machado et al. 2009, doi:10.1109/TVCG.2009.113). The colours were found by a
search within the range of colours that a reader expects for each class. A test checks the distances.
"""

NO_DATA = LandCover(10, "No Data", "No data", (236, 236, 236))
"""The class of pixels that were not, or could not be, classified. Its code is the raster's declared nodata value."""

ALL_CLASSES: tuple[LandCover, ...] = (*CLASSES, NO_DATA)
CLASS_NAMES: tuple[str, ...] = tuple(c.name for c in CLASSES)


def colormap() -> dict[int, tuple[int, int, int, int]]:
    """Return the raster palette: code -> 8-bit (R, G, B, A). The ten classes are opaque, No Data is transparent."""
    return {c.code: (*c.rgb, 0 if c is NO_DATA else 255) for c in ALL_CLASSES}
