"""The stack: twelve bands on B02's 10 m grid, virtual or written.

A stack is a raster with the twelve bands in the table's order. It has band descriptions, scale and offset (reflectance
= DN * scale + offset), dataset tags for item, level, baseline and kernel, and a dataset mask that is valid where all
twelve *native* pixels have data. The scene classification may be stored with it, on the same grid.

`vrt_documents` makes the virtual form (a few kB, resampled when it is read). The written form
(`lc_assets.sentinel2.bands.stack_cog`) stores the pixels of the virtual form in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from xml.sax.saxutils import escape

import rasterio
from rasterio.errors import RasterioIOError

from lc_assets.core.errors import BadBand, StoreError, naming
from lc_assets.raster.grid import Grid
from lc_assets.sentinel2.band_table import BAND_NAMES, REFERENCE_BAND, SCL
from lc_assets.sentinel2.bands.scene_part import ScenePart
from lc_assets.sentinel2.bands.verify import BandFile
from lc_assets.sentinel2.radiometry import NODATA_DN, SATURATED_DN, SCALE
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, gdal_path

Kernel = Literal["nearest", "bilinear", "cubic", "cubicspline"]
KERNELS: tuple[str, ...] = get_args(Kernel)
"""Resampling kernels by GDAL's name. All are centre-aligned, and the grids share the tile's corner. Nearest and
bilinear give the same result to the bit for any division into windows. With the cubic kernels a few pixels in a million
differ by one DN, where GDAL's sum ends on a half."""
STACK_VRT, SCL_VRT = "stack.vrt", "scl.vrt"
"""File names of the virtual form of a stack and of its scene classification."""
STACK_COG, SCL_COG = "stack.tif", "scl.tif"
"""File names of the written form."""


@dataclass(frozen=True)
class StackRecipe:
    """The definition of a stack: the checked native files, and how they are resampled to one grid.

    Attributes:
        item: STAC item id.
        bands: band name -> checked native file; may include `SCL`.
        product_level, baseline, offset: those of the scene (`lc_assets.sentinel2.item.scene.Scene`).
        kernel: resampling kernel, one of `KERNELS`.
        part: the part of the scene that the files contain; None for all of it.
    """

    item: str
    bands: dict[str, BandFile]
    product_level: str
    baseline: str
    offset: int
    kernel: str = "bilinear"
    part: ScenePart | None = None

    @property
    def grid(self) -> Grid:
        """The grid of the stack, which is that of B02."""
        return self.bands[REFERENCE_BAND].grid

    @property
    def tags(self) -> dict[str, str]:
        """Dataset tags that describe the stack."""
        return {
            "ITEM_ID": self.item,
            "PRODUCT_LEVEL": self.product_level,
            "PROCESSING_BASELINE": self.baseline,
            "OFFSET_DN": str(self.offset),
            "RESAMPLING": self.kernel,
            "SCL": "yes" if SCL in self.bands else "no",
            **({"PART": str(self.part)} if self.part else {}),
        }


@dataclass(frozen=True)
class Stack:
    """A stack in the store.

    Attributes:
        item: STAC item id.
        path: the twelve-band raster (VRT or COG).
        scl_path: the scene classification on the same grid, or None.
        grid: the grid of the stack, 10 m.
        product_level, baseline, offset, kernel: as in `StackRecipe`; read from the raster's tags.
        part: the part of the scene, as text; empty for all of it.
    """

    item: str
    path: StorePath
    scl_path: StorePath | None
    grid: Grid
    product_level: str
    baseline: str
    offset: int
    kernel: str
    part: str = ""

    @classmethod
    def open(cls, path: StorePath, scl_path: StorePath | None, item: str) -> Stack:
        """Read a stack's tags.

        Raises:
            StoreError: the stack or its scene classification is missing, or the raster is not a stack of this item.
        """
        with naming(item, "resampled_stack"):
            try:
                with rasterio.open(gdal_path(path)) as dataset:
                    tags, names, grid = dataset.tags(), dataset.descriptions, Grid.of(dataset)
            except RasterioIOError:
                remedy = "materialise raw_bands and resampled_stack again"
                raise StoreError(f"the stack {path} is missing or broken", remedy=remedy) from None
            remedy = "materialise resampled_stack again"
            if tags.get("ITEM_ID") != item or names != BAND_NAMES:
                raise StoreError(f"{path} is no stack of this item", remedy=remedy)
            scl_path = scl_path if tags.get("SCL") == "yes" else None
            if scl_path is not None and not scl_path.exists():
                problem = f"its scene classification {scl_path} is missing, without which no cloud would be masked"
                raise StoreError(problem, remedy=remedy)
        return cls(
            item,
            path,
            scl_path,
            grid,
            tags["PRODUCT_LEVEL"],
            tags["PROCESSING_BASELINE"],
            int(tags["OFFSET_DN"]),
            tags["RESAMPLING"],
            tags.get("PART", ""),
        )


def undecodable(error: RasterioIOError, stack: Stack, band: str | None = None) -> BadBand:
    """Return the error for a stack that GDAL cannot decode. It names the native file, if `band` or GDAL's message gives
    it."""
    text = f"{error} {error.__cause__ or ''}"
    names = [*BAND_NAMES, SCL]
    band = band or next((name for name in names if f"{name}.tif" in text), None)
    in_object_store = isinstance(stack.path, ObjectPath)
    problem = "a block of the raster cannot be decoded: the file is damaged"
    remedy = "fetch the bands again: materialise raw_bands, and look at the disk if it happens again"
    if in_object_store:  # GDAL's message for a request that finally failed is the same as for a damaged block
        problem = "a block of the raster cannot be read: the object store did not give it, or the file is damaged"
        remedy = "run it again; if it happens again, materialise raw_bands again"
    asset = band or str(stack.path.name)
    return BadBand(problem, item=stack.item, asset=asset, remedy=remedy, transient=in_object_store)


def vrt_documents(recipe: StackRecipe, href: dict[str, str]) -> dict[str, str]:
    """Return the stack, and the scene classification on its grid, as GDAL virtual rasters (VRT).

    Interpolation must not mix "no data" into valid pixels, but the band files of the Planetary Computer declare no
    nodata value. So every band is first wrapped at its native size in a VRT that declares 0 as nodata (or the value
    that the file declares), and interpolated from there. Validity is never interpolated: the dataset mask is the
    minimum of the twelve native bands by nearest neighbour, which is non-zero where all of them have data. The mask is
    for tools that read the raster. Which pixels are classified is decided by `lc_assets.sentinel2.bands.validity`,
    which also recognises dark pixels.

    Args:
        recipe: the definition of the stack.
        href: band name -> path of the native file, absolute or relative to the folder of the VRTs.

    Returns:
        File name -> XML: `native_<band>.vrt` for each band, `stack.vrt`, and `scl.vrt` where there is a scene
        classification.
    """
    grid = recipe.grid
    documents = {}
    for name in BAND_NAMES:
        band = recipe.bands[name]
        native, nodata = band.grid, SATURATED_DN if band.masked else band.nodata
        documents[native_vrt(name)] = (
            f'{_header(native)}<VRTRasterBand dataType="UInt16" band="1"><Description>{name}</Description>'
            f"<NoDataValue>{nodata}</NoDataValue>{_source(href[name], native, native, masked=band.masked)}"
            "</VRTRasterBand></VRTDataset>"
        )
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{number}"><Description>{name}</Description>'
        f"<Offset>{recipe.offset * SCALE:g}</Offset><Scale>{SCALE:g}</Scale>"
        f"{_source(native_vrt(name), recipe.bands[name].grid, grid, recipe.kernel)}</VRTRasterBand>"
        for number, name in enumerate(BAND_NAMES, start=1)
    )
    mask = "".join(
        _source(href[name], band.grid, grid, "nearest", nodata=band.nodata, masked=band.masked)
        for name, band in ((name, recipe.bands[name]) for name in BAND_NAMES)
    )
    tags = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in recipe.tags.items())
    documents[STACK_VRT] = (
        f"{_header(grid)}<Metadata>{tags}</Metadata>{bands}"
        '<MaskBand><VRTRasterBand dataType="Byte" subClass="VRTDerivedRasterBand">'
        "<PixelFunctionType>min</PixelFunctionType><SourceTransferType>UInt16</SourceTransferType>"
        f"{mask}</VRTRasterBand></MaskBand></VRTDataset>"
    )
    if SCL in recipe.bands:
        documents[SCL_VRT] = (
            f'{_header(grid)}<VRTRasterBand dataType="Byte" band="1"><Description>{SCL}</Description>'
            f"{_source(href[SCL], recipe.bands[SCL].grid, grid, 'nearest')}</VRTRasterBand></VRTDataset>"
        )
    return documents


def native_vrt(name: str) -> str:
    """Return the file name of the VRT that wraps a band at its native size, in the folder of `stack.vrt`."""
    return f"native_{name}.vrt"


def _header(grid: Grid) -> str:
    transform = ", ".join(repr(float(x)) for x in grid.transform.to_gdal())
    return (
        f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">'
        f"<SRS>{escape(grid.crs)}</SRS><GeoTransform>{transform}</GeoTransform>"
    )


def _source(
    href: str, native: Grid, target: Grid, kernel: str | None = None, *, nodata: int = NODATA_DN, masked: bool = False
) -> str:
    # A kernel in a source applies to everything that reads through it, so the native wrappers must not have one.
    attribute = f' resampling="{kernel}"' if kernel else ""
    relative = int(not href.startswith("/"))
    # A complex source skips the pixels without data. They get the nodata value of the band, or 0 where it has none.
    left_out = f"<NODATA>{nodata}</NODATA>" if nodata else "<UseMaskBand>true</UseMaskBand>" if masked else ""
    kind = "ComplexSource" if left_out else "SimpleSource"
    return (
        f'<{kind}{attribute}><SourceFilename relativeToVRT="{relative}">{escape(href)}</SourceFilename>'
        f'<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="{native.width}" ySize="{native.height}"/>'
        f'<DstRect xOff="0" yOff="0" xSize="{target.width}" ySize="{target.height}"/>{left_out}</{kind}>'
    )
