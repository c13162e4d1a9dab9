"""IO managers: how each asset's value is kept. Pixels stream through them into the store; values between assets stay
small."""

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
