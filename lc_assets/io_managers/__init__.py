"""IO managers: how each asset's value is kept. Pixels stream through them into the store; values between assets stay
small."""

from lc_assets.io_managers.bands import RawBandsIOManager
from lc_assets.io_managers.catalog import CatalogIOManager
from lc_assets.io_managers.classes import ClassRasterIOManager
from lc_assets.io_managers.overview import OverviewIOManager
from lc_assets.io_managers.report import ReportIOManager
from lc_assets.io_managers.stack import CogStackIOManager, VirtualStackIOManager

__all__ = [
    "CatalogIOManager",
    "ClassRasterIOManager",
    "CogStackIOManager",
    "OverviewIOManager",
    "RawBandsIOManager",
    "ReportIOManager",
    "VirtualStackIOManager",
]
