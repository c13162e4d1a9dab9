"""What a STAC API is asked: one item, or a search, page by page. With time-outs, bounded tries, and nothing taken for
granted.

pystac-client says what a search looks like; the requests are our own. Its transport follows redirects to wherever they
lead (and turns a search into a GET without limits on the way), does not ask again when an answer breaks off, reads
bodies of any size, and takes a page without items for the last one.

What cannot be noticed: an API that does not say how many items there are (the Planetary Computer does not), and leaves
out items, or the link to the next page, in an answer that is otherwise in order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any, NoReturn, TypeVar

from lc_assets.core.errors import BadReference, without_query
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote.http import RefusedRedirect, TooLarge, describe_error, get_following_redirects, read_body, session
from lc_assets.remote.retry import PASSING_STATUS, retry_after
from lc_assets.remote.stac_page import Page, Request, RetryableError, page_of

T = TypeVar("T")

PAGE = 250
"""Items a page: what the public catalogs still answer in a second or two."""
LARGEST_DOCUMENT = 16 << 20
"""Bytes of one item's JSON; the Planetary Computer's have 15 kB."""
LARGEST_PAGE = 32 << 20
"""Bytes of a page: eight times what the public catalogs' have."""
MOST_PAGES = 4000
"""A million items."""
MOST_EMPTY = 3
"""Pages in a row without a new item. Some may be: where the search runs on while items are added, what one page gave
comes again on the next; and a page without items may lead to one with some."""
_CUT_SHORT = "an API that answers half is not taken for one that has no more: try again later"
_ACCEPT = {"Accept": "application/geo+json, application/json", "Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class StacApi:
    """A STAC API.

    Attributes:
        url: its root.
        retry_policy: bounds of one request.
        tries: attempts of one request.
    """

    url: str
    retry_policy: RetryPolicy = DEFAULT_POLICY
    tries: int = 4

    def document(self, url: str, item_id: str | None = None) -> Any:
        """Parsed JSON at a URL of whatever server.

        Args:
            url: where.
            item_id: the item that is looked up there, where it is known.

        Raises:
            BadReference: it cannot be reached (transient), there is no such thing, it is no JSON, or another item.
        """
        shown = without_query(url)

        def read(content: bytes) -> Any:
            try:
                return json.loads(content, parse_constant=_no_constant)
            except (ValueError, RecursionError):
                problem = "answers with something that is no JSON"
                if item_id:  # an item's own address at an API: something stands between us and it
                    raise RetryableError(problem) from None
                raise BadReference(f"{shown} {problem}", remedy="check the URL") from None

        document = self._asked(Request(url), read, LARGEST_DOCUMENT, item_id)
        found = document.get("id") if isinstance(document, dict) else None
        if item_id and isinstance(found, str) and found != item_id:
            raise BadReference(
                f"{shown} answers with another item, {found[:200]!r}", item=item_id, remedy="tell who runs the API"
            )
        return document

    def search(
        self, collection: str, parameters: dict[str, Any], wants: Callable[[dict[str, Any]], bool] = lambda item: True
    ) -> Iterator[list[dict[str, Any]]]:
        """Items of a collection, page by page, none twice.

        Args:
            collection: its id.
            parameters: as pystac-client's `ItemSearch` takes them.
            wants: whether an item is one that was asked for: some servers ignore limits that they do not know.

        Yields:
            Items as the API gives them. Each has a text for an id, and its properties are an object or None; nothing
            else has been checked.

        Raises:
            BadReference: the search is malformed; or (transient) the API cannot be reached, answers an error on any
                page, promises a page and gives an empty one, or gives fewer items than it says there are. What was
                yielded before is right, but not all.
        """
        seen: set[str] = set()
        matched: int | None = None
        barren = 0
        first = self._first(collection, parameters)
        where, asked = first.url, set[str]()

        def read(content: bytes, request: Request) -> Page:
            page = page_of(content, request, self.url)
            counts = [n for n in (matched, page.matched) if n is not None]
            complete = bool(counts) and len(seen) == max(counts)
            if asked and not page.items and not page.following and not complete:
                raise RetryableError("promised more items and gave none")
            return page

        request: Request | None = first
        while request:
            page = self._asked(request, partial(read, request=request), LARGEST_PAGE)
            asked.add(request.key)
            if page.matched is not None:
                matched = max(page.matched, matched or 0)
            fresh = list({item["id"]: item for item in page.items if item["id"] not in seen}.values())
            seen |= {item["id"] for item in fresh}
            barren = 0 if fresh else barren + 1
            yield [item for item in fresh if wants(item)]
            request = page.following
            circles = request is not None and request.key in asked
            if matched is not None and len(seen) >= matched and circles:
                break
            if circles or barren > MOST_EMPTY or len(asked) >= MOST_PAGES:
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
        except Exception as error:  # pystac-client raises bare Exceptions for what it cannot read
            raise BadReference(f"the search is malformed: {error}", remedy="mend its dates, box or geometry") from None
        return Request(where, body, searches=True)

    def _asked(self, request: Request, read: Callable[[bytes], T], most: int, item_id: str | None = None) -> T:
        """What `read` makes of the answer to a request. It is asked again while that may help.

        Raises:
            BadReference: it did not.
        """
        started = time.monotonic()
        for attempt in count(1):
            try:
                return read(self._content(request, most, item_id))
            except RetryableError as setback:
                spent = time.monotonic() - started
                if attempt >= self.tries or spent > self.retry_policy.seconds:
                    tried = f" ({attempt} attempts in vain, {spent:.0f} s)" if attempt > 1 else ""
                    raise BadReference(
                        f"{without_query(request.url)} {setback.what}{tried}",
                        item=item_id,
                        remedy=(
                            "it is not registered in this store, so it was looked up: check its spelling, the network "
                            "and LC_ASSETS_STAC_URL"
                            if item_id
                            else "check the network and the URL, then run it again"
                        ),
                        transient=True,
                    ) from None
                seconds = self.retry_policy.wait(attempt - 1, setback.asked)  # half a transfer's: somebody waits
            time.sleep(seconds)
        raise AssertionError  # count() does not end

    def _content(self, request: Request, most: int, item_id: str | None) -> bytes:
        """The body of the answer to one request.

        Raises:
            Setback: it may go better next time.
            BadReference: it will not.
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
            with get_following_redirects(get, request.url, self.retry_policy.head) as answer:
                if answer.status_code != 200:
                    self._refused(answer, request, item_id)
                return read_body(answer, most, self.retry_policy.read)
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
        except (requests.RequestException, ConnectionError) as error:  # no text of the error: it may quote the query
            raise RetryableError(f"cannot be reached ({describe_error(error)})") from None

    def _refused(self, answer: Any, request: Request, item_id: str | None) -> NoReturn:
        status, shown = answer.status_code, without_query(request.url)
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"answers {status}", retry_after(answer.headers))
        if request.searches:
            raise BadReference(
                f"{shown} answers {status}{_said(answer, self.retry_policy.read)}",
                remedy="check LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION and the search's limits",
            )
        if status in (404, 410):
            raise BadReference(
                f"there is no such item: {shown} answers {status}",
                item=item_id,
                remedy="check the id and the collection (LC_ASSETS_COLLECTION); it is the catalog's id, not the "
                "product's",
            )
        raise BadReference(f"{shown} answers {status}", item=item_id, remedy="check the URL")

    @cached_property
    def _session(self) -> Any:
        """With the proxies of the environment, and connections that are used again."""
        return session()


def _said(answer: Any, seconds: float) -> str:
    """What an error's body says, in a line."""
    try:
        text = " ".join(read_body(answer, 1 << 16, seconds).decode(errors="replace").split())
    except (ConnectionError, TooLarge):
        return ""
    return f": {text[:200]}" if text and not text.startswith("<") else ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
