"""Names, colours and hectares of the codes of a raster, in the files that GDAL and QGIS read beside it.

GDAL reads `<raster>.tif.aux.xml` (its PAM file): the names of the categories, and a raster attribute table with a row
for each code. QGIS gives a raster the style of the `.qml` file with the same name. Without these files both show the
256 entries of a TIFF's palette, without names.

Source: GDAL's documentation of raster attribute tables (`GDALRATFieldType`, `GDALRATFieldUsage`); the XML is that of
its PAM files and of QGIS's style files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from lc_assets.core.landcover import ALL_CLASSES, colormap

QGIS_VERSION = "3.16"
"""Version of QGIS that our files name: an older one warns that a file is newer than the program."""

_INTEGER, _REAL, _STRING = 0, 1, 2
_GENERIC, _NAME, _VALUE, _RED, _GREEN, _BLUE, _ALPHA = 0, 2, 5, 6, 7, 8, 9
_COLUMNS = (
    *(("Value", _INTEGER, _VALUE), ("Name", _STRING, _NAME), ("Red", _INTEGER, _RED), ("Green", _INTEGER, _GREEN)),
    *(("Blue", _INTEGER, _BLUE), ("Alpha", _INTEGER, _ALPHA), ("Hectares", _REAL, _GENERIC)),
)
"""Name, type and usage of each column of the attribute table."""


class Entry(NamedTuple):
    """A code of a raster: its value, its name for people, its 8-bit (R, G, B, A), its area in hectares."""

    code: int
    name: str
    rgba: tuple[int, int, int, int]
    hectares: float


def class_entries(pixels: np.ndarray, pixel_area: float) -> list[Entry]:
    """Return the entries of a class map, No Data last.

    Args:
        pixels: (11,) pixels of each code.
        pixel_area: area of a pixel in hectares.
    """
    palette = colormap()
    return [Entry(c.code, c.title, palette[c.code], float(pixels[c.code]) * pixel_area) for c in ALL_CLASSES]


def write_legend(entries: Sequence[Entry], pam: Path, style: Path) -> None:
    """Write the two files of a raster. They are not written atomically, so use paths in a staging folder.

    Args:
        entries: the codes that get a name, in rising order.
        pam: path of GDAL's file.
        style: path of QGIS's file.
    """
    pam.write_bytes(_document(_pam(entries)))
    root = ElementTree.Element("qgis", version=QGIS_VERSION, styleCategories="Symbology")
    ElementTree.SubElement(root, "pipe").append(paletted_renderer(entries))
    style.write_bytes(_document(root))


def paletted_renderer(entries: Sequence[Entry]) -> ElementTree.Element:
    """Return QGIS's renderer of a raster of codes."""
    renderer = ElementTree.Element("rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for code, name, (red, green, blue, alpha), _ in entries:
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        ElementTree.SubElement(palette, "paletteEntry", value=str(code), label=name, color=colour, alpha=str(alpha))
    return renderer


def _pam(entries: Sequence[Entry]) -> ElementTree.Element:
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    names = {entry.code: entry.name for entry in entries}
    categories = ElementTree.SubElement(band, "CategoryNames")
    for code in range(max(names, default=-1) + 1):
        ElementTree.SubElement(categories, "Category").text = names.get(code, "")
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for number, (name, kind, usage) in enumerate(_COLUMNS):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(number))
        for tag, value in (("Name", name), ("Type", kind), ("Usage", usage)):
            ElementTree.SubElement(column, tag).text = str(value)
    for number, (code, name, rgba, hectares) in enumerate(entries):
        row = ElementTree.SubElement(table, "Row", index=str(number))
        for value in (code, name, *rgba, f"{hectares:.2f}"):
            ElementTree.SubElement(row, "F").text = str(value)
    return root


def _document(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"
