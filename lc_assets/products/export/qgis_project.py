"""A QGIS project (`.qgz`) of rasters in its own folder. QGIS is not needed to write it.

A `.qgz` file is a ZIP archive with the project as XML. Paths in it are relative, so the folder can be moved.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rasterio.crs import CRS

from lc_assets.raster.grid import Grid
from lc_assets.raster.legend import QGIS_VERSION

_MARGIN = 0.05
"""Space around the map when the project opens, as a share of its width and height."""
_YEAR = (1980, 1, 1, 0, 0, 0)
"""Time of the file in the archive: the same project gives the same bytes."""


@dataclass(frozen=True)
class Layer:
    """A raster in the project's folder.

    Attributes:
        file: name of the file.
        title: name of the layer.
        renderer: QGIS's `rasterrenderer`.
        shown: whether the layer is visible when the project opens.
    """

    file: str
    title: str
    renderer: Element
    shown: bool = True


def project_file(name: str, title: str, layers: Sequence[Layer], grid: Grid) -> bytes:
    """Return the content of a `.qgz` file.

    Args:
        name: name of the project in the archive, without a suffix.
        title: title of the project.
        layers: the layers, the top one first. All have the CRS of the grid.
        grid: grid of the map that fills the view at first.
    """
    root = Element("qgis", version=QGIS_VERSION, projectname=title)
    SubElement(root, "title").text = title
    SubElement(root, "projectCrs").append(_crs(grid.crs))
    tree = SubElement(root, "layer-tree-group")
    for layer in layers:
        SubElement(
            tree,
            "layer-tree-layer",
            id=_id(layer),
            name=layer.title,
            source=f"./{layer.file}",
            providerKey="gdal",
            checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
            expanded="1" if layer.shown else "0",
        )
    project_layers = SubElement(root, "projectlayers")
    for layer in layers:
        project_layers.append(_layer(layer, grid))
    order = SubElement(root, "layerorder")
    for layer in layers:
        SubElement(order, "layer", id=_id(layer))
    view = SubElement(SubElement(root, "ProjectViewSettings"), "DefaultViewExtent", _sides(grid, _MARGIN))
    view.append(_crs(grid.crs))
    properties = SubElement(root, "properties")
    SubElement(SubElement(properties, "Paths"), "Absolute", type="bool").text = "false"
    # Without this QGIS does not read the CRS of the project.
    SubElement(SubElement(properties, "SpatialRefSys"), "ProjectionsEnabled", type="int").text = "1"
    ElementTree.indent(root)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        content = ElementTree.tostring(root, encoding="utf-8")
        archive.writestr(zipfile.ZipInfo(f"{name}.qgs", _YEAR), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def ramp_renderer(colours: Sequence[tuple[float, tuple[int, ...], str]]) -> Element:
    """Return QGIS's renderer of one band by a colour ramp.

    Args:
        colours: value, its (red, green, blue), its label; at least two, in rising order.
    """
    low, high = (str(stop[0]) for stop in (colours[0], colours[-1]))
    renderer = _renderer("singlebandpseudocolor", band=1, classificationMin=low, classificationMax=high)
    shader = SubElement(
        SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        minimumValue=low,
        maximumValue=high,
        clip="0",
    )
    for value, (red, green, blue), label in colours:
        SubElement(shader, "item", value=str(value), color=f"#{red:02x}{green:02x}{blue:02x}", alpha="255", label=label)
    return renderer


def rgb_renderer() -> Element:
    """Return QGIS's renderer of a picture with three bands and a mask, which QGIS takes for a fourth."""
    return _renderer("multibandcolor", redBand=1, greenBand=2, blueBand=3, alphaBand=4)


def _renderer(kind: str, **attributes: Any) -> Element:
    shared = {"type": kind, "opacity": "1", "alphaBand": "-1"}
    return Element("rasterrenderer", {**shared, **{name: str(value) for name, value in attributes.items()}})


def _layer(layer: Layer, grid: Grid) -> Element:
    element = Element("maplayer", type="raster", styleCategories="AllStyleCategories")
    extent = SubElement(element, "extent")
    for tag, value in _sides(grid).items():
        SubElement(extent, tag).text = value
    for tag, text in (("id", _id(layer)), ("datasource", f"./{layer.file}"), ("layername", layer.title)):
        SubElement(element, tag).text = text
    SubElement(element, "srs").append(_crs(grid.crs))
    SubElement(element, "provider").text = "gdal"
    SubElement(element, "pipe").append(layer.renderer)
    return element


def _id(layer: Layer) -> str:
    return "".join(c if c.isalnum() else "_" for c in layer.file)


def _sides(grid: Grid, margin: float = 0) -> dict[str, str]:
    """Return the sides of a grid, moved outwards by a share of its width and height."""
    left, bottom, right, top = grid.bounds
    across, up = margin * (right - left), margin * (top - bottom)
    sides = {"xmin": left - across, "ymin": bottom - up, "xmax": right + across, "ymax": top + up}
    return {name: str(value) for name, value in sides.items()}


def _crs(crs: str) -> Element:
    element = Element("spatialrefsys")
    known = CRS.from_user_input(crs)
    SubElement(element, "wkt").text = known.to_wkt()
    if known.to_authority():
        SubElement(element, "authid").text = ":".join(known.to_authority())
    return element
