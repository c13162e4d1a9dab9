"""Dagster's handles on the outside: the store, where items and reference maps come from, the model.

Each gives a plain domain object."""

from lc_assets.resources.chips import ChipsResource
from lc_assets.resources.items import ItemsResource
from lc_assets.resources.model import ModelResource
from lc_assets.resources.reference import ReferenceResource
from lc_assets.resources.store import StoreResource
from lc_assets.resources.watch import WatchResource

__all__ = ["ChipsResource", "ItemsResource", "ModelResource", "ReferenceResource", "StoreResource", "WatchResource"]
