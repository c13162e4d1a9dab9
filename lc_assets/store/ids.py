"""Ids of items: what may name a file."""

from __future__ import annotations

import re
from typing import Any

from lc_assets.core.errors import BadReference

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def checked_id(item_id: Any) -> str:
    """`item_id` if it can safely name a partition and a folder.

    Raises:
        BadReference: it has characters outside `A-Z a-z 0-9 . _ -`, holds `..`, does not begin with a letter or digit,
            or is longer than 200 characters.
    """
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id) or ".." in item_id:
        raise BadReference(
            f"{str(item_id)[:80]!r} is no usable item id",
            remedy="use an id of letters, digits, '.', '_' and '-' that begins with a letter or digit and is "
            "200 characters at most",
        )
    return item_id


def is_id(name: str) -> bool:
    """Whether a name can be an item's: see `checked_id`."""
    try:
        return checked_id(name) == name
    except BadReference:
        return False
