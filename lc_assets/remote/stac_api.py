"""Read one item of a STAC API, or search it page by page, with time-outs, retries and strict checks.

pystac-client builds the parameters of a search, but `lc_assets.remote.stac_transport` sends the requests. The reason is
pystac-client's transport: it follows redirects to any host (and turns a search into a GET without its limits), does not
retry when a response breaks off, reads bodies of any size, and treats a page without items as the last page.

One error cannot be detected: an API that does not send the number of items (such as the Planetary Computer) and omits
items from a response that is otherwise valid. What a missing link to the next page means: `StacApi._continue`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lc_assets.core.errors import BadReference, naming, without_query
from lc_assets.core.json_values import parse_json
from lc_assets.core.progress import notify
from lc_assets.remote.retry import RetryableError
from lc_assets.remote.stac_page import Page, Request, parse_page
from lc_assets.remote.stac_progress import SearchProgress
from lc_assets.remote.stac_transport import EmptyPage, LimitedRetry, PageTooLarge, StacTransport

PAGE = 250
"""Items per page: the public catalogs send as many in one or two seconds."""
SMALLEST_PAGE = 10
"""Items per page of the last attempt with an API that cannot send larger pages."""
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


@dataclass
class PageSize:
    """Number of items to ask for in a page; smaller after the API could not send as many."""

    items: int = field(default_factory=lambda: PAGE)

    def halve(self) -> bool:
        """Halve the size. Return False if it is the smallest already."""
        smaller = max(self.items // 2, SMALLEST_PAGE)
        if smaller >= self.items:
            return False
        self.items = smaller
        return True


@dataclass(frozen=True)
class StacApi(StacTransport):
    """A STAC API.

    Attributes:
        page_size: items per page; a search makes it smaller if the API cannot send as many.
    """

    page_size: PageSize = field(default_factory=PageSize, compare=False)

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

        with naming(item_id):
            document = self.read(Request(url), read, LARGEST_DOCUMENT, item_id)
            found_id = document.get("id") if isinstance(document, dict) else None
            if item_id and isinstance(found_id, str) and found_id != item_id:
                problem = f"{shown} answers with another item, {found_id[:200]!r}"
                raise BadReference(problem, remedy="tell who runs the API")
        return document

    def search(
        self,
        collection: str,
        parameters: dict[str, Any],
        wants: Callable[[dict[str, Any]], bool] = lambda item: True,
        on_incomplete: Callable[[str], None] = notify,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the items of a collection, page by page, each item once.

        Args:
            collection: id of the collection.
            parameters: parameters of pystac-client's `ItemSearch`.
            wants: returns True for an item that matches the search. Some servers ignore limits they do not know.
            on_incomplete: receives a warning if it cannot be decided whether the items are all.

        Yields:
            The items of a page as the API sends them. The id of each item is a text, and its properties are an object
            or None; nothing else is checked.

        Raises:
            BadReference: the search is malformed; or (transient) the API cannot be reached, returns an error for any
                page, or links to a next page that is empty. Items yielded before are valid but incomplete.
        """
        seen: set[str] = set()
        halved = False
        while True:
            try:
                first = self._first(collection, parameters)
                for page in self._pages(first, on_incomplete):
                    new = list({item["id"]: item for item in page if item["id"] not in seen}.values())
                    seen |= {item["id"] for item in new}
                    yield [item for item in new if wants(item)]
                return
            except PageTooLarge as error:
                # The whole search starts again: a page number or an offset in a link belongs to the larger pages.
                if self.page_size.halve():
                    halved = True
                    continue
                problem = f"{error.problem}, even for {self.page_size.items} items a page" if halved else error.problem
                raise BadReference(problem, remedy=error.remedy, transient=error.transient) from None

    def _pages(self, first: Request, on_incomplete: Callable[[str], None]) -> Iterator[list[dict[str, Any]]]:
        """Yield the items of each page. An item may be on several pages.

        Raises:
            PageTooLarge: the API cannot send as many items in a page.
            BadReference: see `search`.
        """
        progress = SearchProgress(first, self.page_size.items)
        empty = 0
        where, requested = first.url, set[str]()

        def read(content: bytes, request: Request) -> Page:
            page = parse_page(content, request, self.url)
            counts = [n for n in (progress.matched, page.matched) if n is not None]
            complete = bool(counts) and len(progress.ids) == max(counts)
            if requested and not page.items and not page.next_request and not complete:
                raise LimitedRetry("promised more items and gave none", error=EmptyPage)
            return page

        request: Request | None = first
        while request:
            try:
                page = self.read(request, partial(read, request=request), LARGEST_PAGE)
            except EmptyPage:
                has_more, request = self._probe(progress, requested)
                if has_more is None:
                    raise
                if not has_more and progress.counted_more:
                    notify(_count_warning(progress))
                continue
            requested.add(request.key)
            empty = 0 if progress.add(page) else empty + 1
            yield page.items
            request = page.next_request
            repeats = request is not None and request.key in requested
            if progress.matched is not None and len(progress.ids) >= progress.matched and repeats:
                break
            if repeats or empty > MOST_EMPTY or len(requested) >= MOST_PAGES * max(PAGE // progress.limit, 1):
                raise BadReference(
                    f"{where} repeats itself after {len(progress.ids)} items", remedy=_CUT_SHORT, transient=True
                )
            request = request or self._continue(progress, requested, on_incomplete)

    def _continue(
        self, progress: SearchProgress, requested: set[str], on_incomplete: Callable[[str], None]
    ) -> Request | None:
        """Return the request that continues a search after a page without a link to a next one.

        None means the end: the page is not full and the API does not count more; or a small request finds no more; or
        the API sends links to next pages in general. If all of this leaves it open, `on_incomplete` is called.
        """
        if progress.counted_all or not (progress.full or progress.usual or progress.counted_more):
            return None
        has_more, request = self._probe(progress, requested)
        if has_more:
            return request
        is_open = has_more is None
        if is_open and progress.counted_more:
            is_open = not progress.received_all and (progress.full or progress.usual)
        if is_open and not (progress.counted_more and progress.full):
            is_open = not self._sends_links(progress)
        if is_open:
            on_incomplete(_incomplete_warning(progress))
        elif progress.counted_more:
            notify(_count_warning(progress))
        return None

    def _sends_links(self, progress: SearchProgress) -> bool:
        """True if the API sends links to next pages: in this search, or at least for a page of one item."""
        page = None if progress.linked else self._peek(progress.part(limit=1))
        return progress.linked or (page is not None and page.next_request is not None)

    def _probe(self, progress: SearchProgress, requested: set[str]) -> tuple[bool | None, Request | None]:
        """Look for items beyond the last one, by its time.

        Returns:
            has_more: whether there are more; None if that cannot be decided.
            request: the request for them, if there are.
        """
        rest = progress.rest()
        if rest is None or rest[0].key in requested or len(rest[1]) >= progress.limit:
            return None, None
        request, known = rest
        page = self._peek(replace(request, body={**(request.body or {}), "limit": len(known) + 1}))
        if page is None:
            return None, None
        found = {item["id"] for item in page.items}
        if found == known and page.next_request:  # some APIs send a link to an empty page
            page = self._peek(page.next_request)
            found |= {item["id"] for item in page.items} if page else {""}
        if found - progress.ids - {""}:
            progress.continued = True
            return True, request
        return (False, None) if found == known else (None, None)

    def _peek(self, request: Request) -> Page | None:
        """Return a page that only helps to decide whether there are more items, or None if the API sends none."""
        try:
            return self.read(request, partial(parse_page, request=request, root=self.url), LARGEST_PAGE)
        except BadReference:
            return None

    def _first(self, collection: str, parameters: dict[str, Any]) -> Request:
        from pystac_client import ItemSearch

        where = f"{self.url.rstrip('/')}/search"
        try:
            search = ItemSearch(where, collections=[collection], limit=self.page_size.items, **parameters)
            body = json.loads(json.dumps(search.get_parameters(), allow_nan=False))
        except Exception as error:  # pystac-client raises bare Exceptions for wrong parameters
            raise BadReference(
                f"the search is malformed: {error}", remedy="correct its dates, box or geometry"
            ) from None
        return Request(where, body, searches=True)


def _count_warning(progress: SearchProgress) -> str:
    given = f"gave {len(progress.ids)} of the {progress.matched} items that it says there are"
    return f"{without_query(progress.first.url)} {given}, and no link to more: these are taken for all"


def _incomplete_warning(progress: SearchProgress) -> str:
    given = f"{len(progress.ids)}{f' of {progress.matched}' if progress.counted_more else ''} items"
    return (
        f"{without_query(progress.first.url)} gave {given} and no link to more, so the search for {progress} may be "
        "incomplete -> search a shorter time or a smaller area"
    )
