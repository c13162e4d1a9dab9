"""Sentinel-2 scenes in, land-cover maps out: a Dagster data-asset project.

`lc_assets.definitions` wires everything together; `lc_assets.cli` is the command line. The rooms below them
(`landcover`, `sentinel2`, `raster`, `inference`, `stac`, `training`, `demo`) are plain Python and never import Dagster.
"""

__version__ = "0.1.0"
