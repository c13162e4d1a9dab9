"""Sentinel-2 data: bands, items, radiometry, scene classification, search, and reading the band files."""
