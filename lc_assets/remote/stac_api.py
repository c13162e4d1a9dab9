"""Read one item of a STAC API, or search it page by page, with time-outs, retries and strict checks.

pystac-client builds the parameters of a search, but this module sends the requests. The reason is pystac-client's
transport: it follows redirects to any host (and turns a search into a GET without its limits), does not retry when a
response breaks off, reads bodies of any size, and treats a page without items as the last page.

One error cannot be detected: an API that does not send the number of items (such as the Planetary Computer) and omits
items, or the link to the next page, from a response that is otherwise valid.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any, NoReturn, TypeVar

from lc_assets.core.errors import BadReference, NoSuchItem, without_query
from lc_assets.core.json_values import parse_json
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote.access import explain_refusal
from lc_assets.remote.http import RefusedRedirect, TooLarge, describe_error, get_following_redirects, read_body, session
from lc_assets.remote.retry import PASSING_STATUS, RetryableError, retry_after
from lc_assets.remote.stac_page import Page, Request, parse_page

T = TypeVar("T")

PAGE = 250
"""Items per page: the public catalogs send as many in one or two seconds."""
LARGEST_DOCUMENT = 16 << 20
"""Largest accepted JSON of one item in bytes; items of the Planetary Computer have 15 kB."""
LARGEST_PAGE = 32 << 20
"""Largest accepted page in bytes: eight times the size of a page of the public catalogs."""
MOST_PAGES = 4000
"""Largest accepted number of pages: one million items."""
MOST_EMPTY = 3
"""Largest accepted number of consecutive pages without a new item.

A few are normal: while items are added to the catalog, a page may repeat the items of the previous one, and a page
without items may be followed by one with items.
"""
_CUT_SHORT = "an API that answers half is not taken for one that has no more: try again later"
_ACCEPT = {"Accept": "application/geo+json, application/json", "Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class StacApi:
    """A STAC API.

    Attributes:
        url: root URL.
        retry_policy: time-outs and waits of a request.
        tries: largest number of attempts of a request.
    """

    url: str
    retry_policy: RetryPolicy = DEFAULT_POLICY
    tries: int = 4

    def document(self, url: str, item_id: str | None = None) -> Any:
        """Return the parsed JSON at a URL of any server.

        Args:
            url: URL.
            item_id: id of the expected item, if known.

        Raises:
            BadReference: the URL cannot be reached (transient) or does not exist, or its content is not JSON or is
                another item.
        """
        shown = without_query(url)

        def read(content: bytes) -> Any:
            try:
                return parse_json(content)
            except (ValueError, RecursionError):
                problem = "answers with something that is no JSON"
                if item_id:  # the API's URL of an item: probably a proxy's response
                    raise RetryableError(problem) from None
                raise BadReference(f"{shown} {problem}", remedy="check the URL") from None

        document = self._read(Request(url), read, LARGEST_DOCUMENT, item_id)
        found_id = document.get("id") if isinstance(document, dict) else None
        if item_id and isinstance(found_id, str) and found_id != item_id:
            raise BadReference(
                f"{shown} answers with another item, {found_id[:200]!r}", item=item_id, remedy="tell who runs the API"
            )
        return document

    def search(
        self, collection: str, parameters: dict[str, Any], wants: Callable[[dict[str, Any]], bool] = lambda item: True
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the items of a collection, page by page, each item once.

        Args:
            collection: id of the collection.
            parameters: parameters of pystac-client's `ItemSearch`.
            wants: returns True for an item that matches the search. Some servers ignore limits they do not know.

        Yields:
            The items of a page as the API sends them. The id of each item is a text, and its properties are an object
            or None; nothing else is checked.

        Raises:
            BadReference: the search is malformed; or (transient) the API cannot be reached, returns an error for any
                page, links to a next page that is empty, or sends fewer items than it announces. Items yielded before
                are valid but incomplete.
        """
        seen: set[str] = set()
        matched: int | None = None
        empty = 0
        first = self._first(collection, parameters)
        where, requested = first.url, set[str]()

        def read(content: bytes, request: Request) -> Page:
            page = parse_page(content, request, self.url)
            counts = [n for n in (matched, page.matched) if n is not None]
            complete = bool(counts) and len(seen) == max(counts)
            if requested and not page.items and not page.next_request and not complete:
                raise RetryableError("promised more items and gave none")
            return page

        request: Request | None = first
        while request:
            page = self._read(request, partial(read, request=request), LARGEST_PAGE)
            requested.add(request.key)
            if page.matched is not None:
                matched = max(page.matched, matched or 0)
            new = list({item["id"]: item for item in page.items if item["id"] not in seen}.values())
            seen |= {item["id"] for item in new}
            empty = 0 if new else empty + 1
            yield [item for item in new if wants(item)]
            request = page.next_request
            repeats = request is not None and request.key in requested
            if matched is not None and len(seen) >= matched and repeats:
                break
            if repeats or empty > MOST_EMPTY or len(requested) >= MOST_PAGES:
                raise BadReference(f"{where} repeats itself after {len(seen)} items", remedy=_CUT_SHORT, transient=True)
        if matched is not None and len(seen) < matched:
            raise BadReference(
                f"{where} gave {len(seen)} of the {matched} items that it says there are",
                remedy=_CUT_SHORT,
                transient=True,
            )

    def _first(self, collection: str, parameters: dict[str, Any]) -> Request:
        from pystac_client import ItemSearch

        where = f"{self.url.rstrip('/')}/search"
        try:
            search = ItemSearch(where, collections=[collection], limit=PAGE, **parameters)
            body = json.loads(json.dumps(search.get_parameters(), allow_nan=False))
        except Exception as error:  # pystac-client raises bare Exceptions for wrong parameters
            raise BadReference(
                f"the search is malformed: {error}", remedy="correct its dates, box or geometry"
            ) from None
        return Request(where, body, searches=True)

    def _read(self, request: Request, parse: Callable[[bytes], T], most: int, item_id: str | None = None) -> T:
        """Send a request, with retries, and return the result of `parse` for the response's body.

        Raises:
            BadReference: the last attempt failed, or another attempt cannot succeed.
        """
        started = time.monotonic()
        for attempt in count(1):
            try:
                return parse(self._content(request, most, item_id))
            except RetryableError as error:
                elapsed = time.monotonic() - started
                if attempt >= self.tries or elapsed > self.retry_policy.seconds:
                    tried = f" ({attempt} attempts in vain, {elapsed:.0f} s)" if attempt > 1 else ""
                    raise BadReference(
                        f"{without_query(request.url)} {error.problem}{tried}",
                        item=item_id,
                        remedy=(
                            "it is not registered in this store, so it was looked up: check its spelling, the network "
                            "and LC_ASSETS_STAC_URL"
                            if item_id
                            else "check the network and the URL, then run it again"
                        ),
                        transient=True,
                    ) from None
                # Half the wait of a download, because a user waits for the response.
                seconds = self.retry_policy.wait(attempt - 1, error.retry_after)
            time.sleep(seconds)
        raise AssertionError  # not reached: count() is endless

    def _content(self, request: Request, most: int, item_id: str | None) -> bytes:
        """Send one request and return the body of its response.

        Raises:
            RetryableError: another attempt may succeed.
            BadReference: another attempt cannot succeed.
        """
        import requests

        shown = without_query(request.url)

        def get(href: str) -> Any:
            return self._session.request(
                "GET" if request.body is None else "POST",
                href,
                json=request.body,
                timeout=self.retry_policy.timeout,
                stream=True,
                allow_redirects=False,
                headers=_ACCEPT,
            )

        try:
            with get_following_redirects(get, request.url, self.retry_policy.head) as response:
                if response.status_code != 200:
                    self._raise_for_status(response, request, item_id)
                return read_body(response, most, self.retry_policy.read)
        except RefusedRedirect as refused:
            raise BadReference(f"{shown} {refused}", item=item_id, remedy="check the URL") from None
        except TooLarge as large:
            raise BadReference(
                f"{shown} {large}", item=item_id, remedy="name an item of a STAC API, not a collection of them"
            ) from None
        except ValueError as error:  # InvalidURL, InvalidSchema, MissingSchema, UnicodeError
            raise BadReference(
                f"{shown} is no usable URL ({type(error).__name__})", item=item_id, remedy="check its spelling"
            ) from None
        except (requests.RequestException, ConnectionError) as error:  # its text may contain the query
            raise RetryableError(f"cannot be reached ({describe_error(error)})") from None

    def _raise_for_status(self, response: Any, request: Request, item_id: str | None) -> NoReturn:
        status, shown = response.status_code, without_query(request.url)
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"answers {status}", retry_after(response.headers))
        if refusal := explain_refusal(response.url or request.url, status, response.headers):
            raise BadReference(f"{shown} answers {status}: {refusal.problem}", item=item_id, remedy=refusal.remedy)
        if request.searches:
            raise BadReference(
                f"{shown} answers {status}{_error_text(response, self.retry_policy.read)}",
                remedy="check LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION and the search's limits",
            )
        if status in (404, 410):
            raise NoSuchItem(
                f"there is no such item: {shown} answers {status}",
                item=item_id,
                remedy="check the id and the collection (LC_ASSETS_COLLECTION); it is the catalog's id, not the "
                "product's",
            )
        raise BadReference(f"{shown} answers {status}", item=item_id, remedy="check the URL")

    @cached_property
    def _session(self) -> Any:
        """Session that uses the proxies of the environment and reuses connections."""
        return session()


def _error_text(response: Any, seconds: float) -> str:
    """Return the body of an error response in one line, or "" if it is HTML or cannot be read."""
    try:
        text = " ".join(read_body(response, 1 << 16, seconds).decode(errors="replace").split())
    except (ConnectionError, TooLarge):
        return ""
    return f": {text[:200]}" if text and not text.startswith("<") else ""
