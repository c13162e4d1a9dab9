"""Rasters: grids, the band stack, Cloud Optimized GeoTIFFs, pictures. Values in, values out; no Dagster, no store."""

from lc_assets.raster.gdal import configure

configure()
