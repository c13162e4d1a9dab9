"""Parse a page of a STAC search strictly, so that an incomplete page does not pass for the last one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from lc_assets.core.errors import BadReference, without_query
from lc_assets.remote.retry import RetryableError


@dataclass(frozen=True)
class Request:
    """A request for a page of a search or for one document.

    Attributes:
        url: URL.
        body: JSON body of a POST; None for a GET.
        searches: True for a page of a search.
    """

    url: str
    body: dict[str, Any] | None = None
    searches: bool = False

    @property
    def key(self) -> str:
        """Text that is equal for equal requests."""
        return f"{self.url} {json.dumps(self.body, sort_keys=True)}"


@dataclass(frozen=True)
class Page:
    """A page of items.

    Attributes:
        items: the items; each has an id, and its properties are an object or None.
        matched: number of items of the whole search, if the API sends it.
        next_request: request for the next page, if there is one.
    """

    items: list[dict[str, Any]]
    matched: int | None
    next_request: Request | None


def parse_page(content: bytes, request: Request, root: str) -> Page:
    """Parse the response of a search.

    (`NaN` is accepted, although it is not valid JSON. Its item is rejected when it is used; the search goes on.)

    Args:
        content: body of the response.
        request: its request.
        root: root URL of the API.

    Raises:
        RetryableError: the content is not a page of items.
        BadReference: the next page is on another host.
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
        next_request = _follow(link, request) if link else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RetryableError("answers with something that is no page of items") from None
    if next_request and _host(next_request.url) != _host(root):
        raise BadReference(
            f"{without_query(request.url)} has its next page on another host, {next_request.url[:200]}",
            remedy="set LC_ASSETS_STAC_URL to that host if it is the API's",
        )
    return Page(items, _matched(page), next_request)


def _with_properties(item: dict[str, Any]) -> dict[str, Any]:
    return item if isinstance(item.get("properties"), dict) else {**item, "properties": None}


def _follow(link: dict[str, Any], request: Request) -> Request:
    """Return the request for a `next` link (STAC API, item search, "Pagination").

    Raises:
        ValueError, KeyError, TypeError: the link is malformed, or it is a POST without the search's limits.
    """
    href, method, body = urljoin(request.url, link["href"]), link.get("method") or "GET", link.get("body")
    _host(href if link["href"] else "")
    if method.upper() == "GET":
        return Request(href, searches=True)
    if method.upper() != "POST" or not isinstance(body, dict) or not body:
        raise ValueError
    return Request(href, {**(request.body or {}), **body} if link.get("merge") is True else body, searches=True)


def _host(url: str) -> tuple[str, int | None]:
    """Return (host, port) of a URL, with None for port 80 and 443.

    The scheme is ignored, because an API behind a proxy that ends TLS may write its own links with http.

    Raises:
        ValueError: it is not an http(s) URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    return parts.hostname, parts.port if parts.port not in (80, 443) else None


def _matched(page: dict[str, Any]) -> int | None:
    """Return the number of items of a search, if present (OGC's `numberMatched`, or the older `context` extension)."""
    context = page.get("context")
    for count in (page.get("numberMatched"), context.get("matched") if isinstance(context, dict) else None):
        if isinstance(count, int) and not isinstance(count, bool):
            return count
    return None
