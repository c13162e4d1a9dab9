"""Rasters: grids, Cloud Optimized GeoTIFFs, resampling, pictures and charts.

Modules here know nothing about Sentinel-2, Dagster or the store: they take arrays and GDAL paths.
"""

from lc_assets.raster.gdal import configure

configure()
