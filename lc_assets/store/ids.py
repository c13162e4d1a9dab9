"""Check that an item id is safe as the name of a file, a folder and a partition."""

from __future__ import annotations

import re
from typing import Any

from lc_assets.core.errors import BadReference

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def checked_id(item_id: Any, what: str = "item id") -> str:
    """Return `item_id` if it is safe as the name of a partition and a folder. `what` it is, an error says.

    Raises:
        BadReference: it is not a string, contains characters outside `A-Z a-z 0-9 . _ -`, contains `..`, does not begin
            with a letter or digit, or is longer than 200 characters.
    """
    if not isinstance(item_id, str) or not _ID.fullmatch(item_id) or ".." in item_id:
        raise BadReference(
            f"{str(item_id)[:80]!r} is not a valid {what}",
            remedy="use letters, digits, '.', '_' and '-', a letter or digit first, and at most 200 characters",
        )
    return item_id


def is_id(name: str) -> bool:
    """Return True if `checked_id` accepts the name as an item id."""
    try:
        return checked_id(name) == name
    except BadReference:
        return False
