"""What a STAC API is asked: one item, or a search, page by page. With time-outs, bounded tries, and nothing taken for
granted.

Requests go through pystac-client's `StacApiIO`, which takes the proxy settings of the environment (`pystac` alone
does not).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lc_assets.errors import BadReference, without_query
from lc_assets.sentinel2.catalogs import catalog_for_api
from lc_assets.sentinel2.patience import PASSING_STATUS, PATIENCE, Patience
from lc_assets.sentinel2.query import Query
from lc_assets.sentinel2.wire import RefusedRedirect, following

PAGE = 250
"""Items a page: what the public catalogs still answer in a second or two."""
LARGEST_DOCUMENT = 16 << 20
"""Bytes of one item's JSON; the Planetary Computer's have 15 kB."""
MOST_PAGES = 4000
"""A million items. A next link that leads in circles ends here."""
_CUT_SHORT = "an API that answers half is not taken for one that has no more: try again later"


@dataclass(frozen=True)
class Api:
    """A STAC API.

    Attributes:
        url: its root.
        patience: bounds of one request.
        tries: attempts of one request.
    """

    url: str
    patience: Patience = PATIENCE
    tries: int = 4

    def document(self, url: str, item_id: str | None = None) -> Any:
        """Parsed JSON at a URL of whatever server.

        Raises:
            BadReference: it cannot be reached (transient), there is no such thing, or it is no JSON.
        """
        import requests

        shown = without_query(url)
        patience = self.patience
        try:
            answer = following(
                lambda href: self._io.session.get(
                    href,
                    timeout=patience.timeout,
                    stream=True,
                    allow_redirects=False,
                    headers={"Accept": "application/geo+json, application/json"},
                ),
                url,
            )
            with answer:
                if answer.status_code != 200:
                    raise _answered(answer.status_code, shown, item_id)
                content = b""
                for piece in answer.iter_content(1 << 16):
                    content += piece
                    if len(content) > LARGEST_DOCUMENT:
                        raise BadReference(
                            f"{shown} answers with more than {LARGEST_DOCUMENT >> 20} MB",
                            item=item_id,
                            remedy="name an item, not a collection of them",
                        )
        except RefusedRedirect as refused:
            raise BadReference(f"{shown} {refused}", item=item_id, remedy="check the URL") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
            raise BadReference(
                f"{shown} is no usable URL ({type(error).__name__})", item=item_id, remedy="check its spelling"
            ) from None
        except requests.RequestException as error:
            raise _unreachable(shown, type(error).__name__, item_id) from None
        try:
            return json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BadReference(
                f"{shown} answers with something that is no JSON", item=item_id, remedy="check the URL"
            ) from None

    def search(self, collection: str, query: Query) -> Iterator[list[dict[str, Any]]]:
        """The items of a collection that a query asks for, page by page, none twice.

        The query's limits are held against each item here too: some servers ignore what they do not know.

        Raises:
            BadReference: the query is malformed; or (transient) the API cannot be reached, answers an error on any
            page,
                or gives fewer items than it says there are. What was yielded before is right, but not all.
        """
        from pystac_client import ItemSearch
        from pystac_client.exceptions import APIError

        kind = catalog_for_api(self.url)
        where = f"{self.url.rstrip('/')}/search"
        try:
            search = ItemSearch(where, stac_io=self._io, collections=[collection], limit=PAGE, **query.parameters(kind))
        except Exception as error:  # pystac-client raises bare Exceptions for what it cannot read
            raise BadReference(f"the search is malformed: {error}", remedy="mend its dates, box or geometry") from None
        seen: set[str] = set()
        matched: int | None = None
        try:
            for number, page in enumerate(search.pages_as_dicts(), start=1):
                if matched is None:
                    matched = _matched(page)
                fresh = [item for item in page["features"] if _id(item) not in seen]
                seen |= {_id(item) for item in fresh}
                if number > MOST_PAGES or (not fresh and number > 1):
                    raise BadReference(
                        f"{where} repeats itself after {len(seen)} items", remedy=_CUT_SHORT, transient=True
                    )
                yield [item for item in fresh if query.wants(item, kind)]
        except APIError as error:
            status = getattr(error, "status_code", None)
            if status and status < 500 and status not in PASSING_STATUS:
                raise BadReference(
                    f"{where} answers {status}: {str(error)[:200]}",
                    remedy="check LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION and the search's limits",
                ) from None
            raise _unreachable(where, f"answers {status}" if status else str(error)[:200], None) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadReference(
                f"{where} answers with something that is no page of items ({type(error).__name__})",
                remedy=_CUT_SHORT,
                transient=True,
            ) from None
        if matched is not None and len(seen) < matched:
            raise BadReference(
                f"{where} gave {len(seen)} of the {matched} items that it says there are",
                remedy=_CUT_SHORT,
                transient=True,
            )

    @cached_property
    def _io(self) -> Any:
        return _careful_io(self.url, self.patience, self.tries)


def _careful_io(root: str, patience: Patience, tries: int) -> Any:
    """A `StacApiIO` that holds pages to be pages, and follows their links to the same host only."""
    from urllib.parse import urlsplit

    from pystac_client.exceptions import APIError
    from pystac_client.stac_api_io import StacApiIO
    from urllib3 import Retry

    home = urlsplit(root).netloc

    class CarefulIO(StacApiIO):
        def request(self, href: str, *args: Any, **kwargs: Any) -> str:
            if urlsplit(href).netloc != home:
                raise APIError(f"its next page lies on another host ({urlsplit(href).hostname})")
            return str(super().request(href, *args, **kwargs))

        def read_json(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            page = super().read_json(*args, **kwargs)
            # pystac-client takes a page without items for the last one, whatever else it is.
            if not isinstance(page, dict) or not isinstance(page.get("features"), list):
                raise APIError("it answers with something that is no page of items")
            return page

    retry = Retry(
        total=tries - 1,
        backoff_factor=patience.backoff / 2,
        backoff_max=patience.longest_wait,
        retry_after_max=int(patience.longest_wait / 3),
        status_forcelist=sorted(PASSING_STATUS),
        allowed_methods=None,  # a search by POST changes nothing
        raise_on_status=False,
    )
    return CarefulIO(timeout=patience.timeout, max_retries=retry)


def _matched(page: dict[str, Any]) -> int | None:
    """How many items a search has, where the API tells (OGC's `numberMatched`, the older `context` extension)."""
    context = page.get("context")
    told = page.get("numberMatched", context.get("matched") if isinstance(context, dict) else None)
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _id(item: Any) -> str:
    return str(item.get("id"))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _answered(status: int, shown: str, item_id: str | None) -> BadReference:
    if status in (404, 410):
        return BadReference(
            f"there is no such item: {shown} answers {status}",
            item=item_id,
            remedy="check the id and the collection (LC_ASSETS_COLLECTION); it is the catalog's id, not the product's",
        )
    return BadReference(
        f"{shown} answers {status}",
        item=item_id,
        remedy="try again later, or check the URL",
        transient=status >= 500 or status in PASSING_STATUS,
    )


def _unreachable(shown: str, why: str, item_id: str | None) -> BadReference:
    return BadReference(
        f"{shown} cannot be reached ({without_query(why)})",
        item=item_id,
        remedy=(
            "it is not registered in this store, so it was looked up: check its spelling, the network and "
            "LC_ASSETS_STAC_URL"
            if item_id
            else "check the network and the URL, then run it again"
        ),
        transient=True,
    )
