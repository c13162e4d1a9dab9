"""URLs: of servers, and of object stores."""

from __future__ import annotations

from urllib.parse import urlsplit

from lc_assets.core.errors import BadReference

SCHEMES = ("s3", "az", "gs")
"""Of object stores."""
_REMOTE = ("http", "https")


def is_url(text: str) -> bool:
    """Whether a setting is meant as a URL, be it well written or not."""
    return "://" in text or text.startswith(tuple(f"{scheme}:" for scheme in SCHEMES))


def is_remote(href: str) -> bool:
    """True for http(s) URLs.

    Raises:
        BadReference: it begins like a URL, but is none.
    """
    try:
        return urlsplit(href).scheme in _REMOTE
    except ValueError:
        raise BadReference(f"{href[:200]!r} is no URL", remedy="check its spelling") from None
