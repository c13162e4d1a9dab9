"""A classified Item."""

from __future__ import annotations

import pytest

from lc_assets_tests.products.stac.items import item_of, pc_item


@pytest.fixture
def document():
    return item_of(pc_item())
