"""Dagster's handles on the outside: the store, where items come from, the model. Each gives a plain domain object."""

from lc_assets.resources.items import ItemsResource
from lc_assets.resources.model import ModelResource
from lc_assets.resources.store import StoreResource

__all__ = ["ItemsResource", "ModelResource", "StoreResource"]
