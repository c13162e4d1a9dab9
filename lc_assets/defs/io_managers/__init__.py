"""IO managers: they write the value of each asset into the store and read it back.

Pixels are written block by block. The values that pass between assets hold paths and numbers, no pixels.
"""

from lc_assets.defs.io_managers.catalog import CatalogIOManager
from lc_assets.defs.io_managers.class_raster import ClassRasterIOManager
from lc_assets.defs.io_managers.overview import OverviewIOManager
from lc_assets.defs.io_managers.raw_bands import RawBandsIOManager
from lc_assets.defs.io_managers.report import ReportIOManager
from lc_assets.defs.io_managers.resampled_stack import CogStackIOManager, VirtualStackIOManager

__all__ = [
    "CatalogIOManager",
    "ClassRasterIOManager",
    "CogStackIOManager",
    "OverviewIOManager",
    "RawBandsIOManager",
    "ReportIOManager",
    "VirtualStackIOManager",
]
