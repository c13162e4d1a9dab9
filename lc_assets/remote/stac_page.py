"""A page of a search, read strictly: half a page must not be taken for the last one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from lc_assets.core.errors import BadReference, without_query


class RetryableError(Exception):
    """A request went wrong in a way that may pass: what to tell, and how long the server asks to wait."""

    def __init__(self, what: str, asked: float | None = None) -> None:
        super().__init__(what)
        self.what, self.asked = what, asked


@dataclass(frozen=True)
class Request:
    """One request: a POST where it has a body; of a search, or of one document."""

    url: str
    body: dict[str, Any] | None = None
    searches: bool = False

    @property
    def key(self) -> str:
        """The same for the same request."""
        return f"{self.url} {json.dumps(self.body, sort_keys=True)}"


@dataclass(frozen=True)
class Page:
    """A page of items.

    Attributes:
        items: each has an id; its properties are an object, or None.
        matched: how many items the whole search has, where the API tells.
        following: the request for the next page, if there is one.
    """

    items: list[dict[str, Any]]
    matched: int | None
    following: Request | None


def page_of(content: bytes, asked: Request, root: str) -> Page:
    """The page that a request was answered with, by the API at `root`.

    (`NaN` is let pass, though it is no JSON: it spoils its item, which is refused when it is used, and not the search.)

    Raises:
        Setback: it is none.
        BadReference: it leads to another host.
    """
    try:
        page = json.loads(content)
        items = page["features"]
        if page["type"] != "FeatureCollection" or not isinstance(items, list):
            raise ValueError
        if not all(isinstance(item["id"], str) for item in items):
            raise ValueError
        items = [_with_properties(item) for item in items]
        link = next((link for link in page.get("links") or () if link["rel"] == "next"), None)
        request = _linked(link, asked) if link else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RetryableError("answers with something that is no page of items") from None
    if request and _host(request.url) != _host(root):
        raise BadReference(
            f"{without_query(asked.url)} has its next page on another host, {request.url[:200]}",
            remedy="set LC_ASSETS_STAC_URL to that host if it is the API's",
        )
    return Page(items, _matched(page), request)


def _with_properties(item: dict[str, Any]) -> dict[str, Any]:
    return item if isinstance(item.get("properties"), dict) else {**item, "properties": None}


def _linked(link: dict[str, Any], asked: Request) -> Request:
    """The request that a next link means (STAC API, item search, "Pagination").

    Raises:
        ValueError, KeyError, TypeError: it is malformed, or a POST that has lost the search's limits.
    """
    href, method, body = urljoin(asked.url, link["href"]), link.get("method") or "GET", link.get("body")
    _host(href if link["href"] else "")
    if method.upper() == "GET":
        return Request(href, searches=True)
    if method.upper() != "POST" or not isinstance(body, dict) or not body:
        raise ValueError
    return Request(href, {**(asked.body or {}), **body} if link.get("merge") is True else body, searches=True)


def _host(url: str) -> tuple[str, int | None]:
    """Host and port, the scheme's own left out: behind a proxy that ends TLS an API may take itself for http."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    return parts.hostname, parts.port if parts.port not in (80, 443) else None


def _matched(page: dict[str, Any]) -> int | None:
    """How many items a search has, where the API tells (OGC's `numberMatched`, the older `context` extension)."""
    context = page.get("context")
    for told in (page.get("numberMatched"), context.get("matched") if isinstance(context, dict) else None):
        if isinstance(told, int) and not isinstance(told, bool):
            return told
    return None
