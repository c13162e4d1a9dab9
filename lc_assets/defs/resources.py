"""Dagster's handles on the outside: the store, where items and reference maps come from, the model.

Each gives a plain domain object."""

from lc_assets.defs.resources_chips import ChipsResource
from lc_assets.defs.resources_items import ItemsResource
from lc_assets.defs.resources_model import ModelResource
from lc_assets.defs.resources_reference import ReferenceResource
from lc_assets.defs.resources_store import StoreResource
from lc_assets.defs.resources_watch import WatchResource

__all__ = ["ChipsResource", "ItemsResource", "ModelResource", "ReferenceResource", "StoreResource", "WatchResource"]
