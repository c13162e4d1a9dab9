"""Copies of a map for other programs, in a folder outside the store."""

FORMATS = ("gpkg", "geoparquet", "csv", "qgz")
"""Polygons as GeoPackage and as GeoParquet, a table of areas, a QGIS project with its rasters."""
