"""Items with one hostile part, and the message that refuses them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import LandCoverError
from lc_assets.sentinel2.item.scene import parse_scene
from lc_assets_tests.sentinel2.earth_search_items import COLLECTION_1, earth_search_item

ORIGIN = "https://stac.example.org/collections/s2/items/x"


def item_with(href: str | None = None, **changes: Any) -> dict[str, Any]:
    """An item with one hostile band; keywords replace parts of the document."""
    document = copy.deepcopy(earth_search_item(COLLECTION_1, flag=None))
    if href is not None:
        document["assets"]["red"]["href"] = href
    return {**document, **changes}


def refused(document: dict[str, Any], base: str | Path | None = ORIGIN) -> str:
    """The message that a document is refused with: one line that names the item."""
    with pytest.raises(LandCoverError) as caught:
        parse_scene(document, base=base)
    message = str(caught.value)
    assert "\n" not in message and "\x1b" not in message
    assert "->" in message
    return message
