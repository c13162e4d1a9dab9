"""The assets, one file each: the six of a scene in the order in which they are made, and those of the whole store.

A file defines the inputs, the output and the checks of its asset. The work is done in lower rooms.
"""

from lc_assets.defs.assets.catalog import catalog
from lc_assets.defs.assets.class_raster import class_raster
from lc_assets.defs.assets.overview import overview
from lc_assets.defs.assets.raw_bands import raw_bands
from lc_assets.defs.assets.report import report
from lc_assets.defs.assets.resampled_stack import resampled_stack

SCENE_ASSETS = [raw_bands, resampled_stack, class_raster, overview, report, catalog]
