"""Recognise URLs of web servers and of object stores."""

from __future__ import annotations

from urllib.parse import urlsplit

from lc_assets.core.errors import BadReference

SCHEMES = ("s3", "az", "gs")
"""URL schemes of object stores."""
REMOTE_SCHEMES = ("http", "https")


def is_url(text: str) -> bool:
    """Return True if a setting looks like a URL, even a malformed one."""
    return "://" in text or text.startswith(tuple(f"{scheme}:" for scheme in SCHEMES))


def is_remote(href: str) -> bool:
    """Return True for an http(s) URL.

    Raises:
        BadReference: the text begins like a URL but cannot be parsed as one.
    """
    try:
        return urlsplit(href).scheme in REMOTE_SCHEMES
    except ValueError:
        raise BadReference(f"{href[:200]!r} is not a valid URL", remedy="check its spelling") from None
