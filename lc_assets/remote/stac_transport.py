"""Send the requests of a STAC API, with time-outs and retries, and turn failures into errors for the user."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, TypeVar

from lc_assets.core.errors import BadReference, NoSuchItem, without_query
from lc_assets.core.retry_policy import DEFAULT_POLICY, RetryPolicy
from lc_assets.remote.access import explain_refusal
from lc_assets.remote.http import RefusedRedirect, TooLarge, describe_error, get_following_redirects, read_body, session
from lc_assets.remote.retry import PASSING_STATUS, RetryableError, retry_after
from lc_assets.remote.stac_page import Request

T = TypeVar("T")

_TOO_LARGE_STATUS = frozenset({413, 502, 504, 524})
"""HTTP status codes of servers and gateways for a response that is too large or takes too long."""
_LOOKED_UP = (
    "it is not registered in this store, so it was looked up: check its spelling, the network and LC_ASSETS_STAC_URL"
)
_CHECK_NETWORK = "check the network and the URL, then run it again"
_CHECK_SEARCH = "check LC_ASSETS_STAC_URL, LC_ASSETS_COLLECTION and the search's limits"
_ACCEPT = {"Accept": "application/geo+json, application/json", "Accept-Encoding": "gzip"}


class PageTooLarge(BadReference):
    """The API cannot send a page of a search with as many items. It may send fewer."""


class EmptyPage(BadReference):
    """The API links to a page and sends no items there."""


class LimitedRetry(RetryableError):
    """A request failed; it is repeated fewer times than others, or ends in another error than others.

    Attributes:
        error: class of the error after the last attempt.
        tries: largest number of attempts, if it is smaller than for others.
        remedy: what the user can do about it, if it differs from other requests.
        transient: True if the same request may succeed later.
    """

    def __init__(
        self,
        problem: str,
        retry_after: float | None = None,
        *,
        error: type[BadReference] = BadReference,
        tries: int | None = None,
        remedy: str = "",
        transient: bool = True,
    ) -> None:
        super().__init__(problem, retry_after)
        self.error, self.tries, self.remedy, self.transient = error, tries, remedy, transient


@dataclass(frozen=True)
class StacTransport:
    """Sends requests to a STAC API.

    Attributes:
        url: root URL.
        retry_policy: time-outs and waits of a request.
        tries: largest number of attempts of a request.
    """

    url: str
    retry_policy: RetryPolicy = DEFAULT_POLICY
    tries: int = 4

    def read(self, request: Request, parse: Callable[[bytes], T], most: int, item_id: str | None = None) -> T:
        """Send a request, with retries, and return the result of `parse` for the response's body.

        Raises:
            BadReference: the last attempt failed, or another attempt cannot succeed.
        """
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return parse(self._content(request, most, item_id is not None))
            except RetryableError as error:
                elapsed = time.monotonic() - started
                limited = error if isinstance(error, LimitedRetry) else LimitedRetry(error.problem)
                if attempt >= min(self.tries, limited.tries or self.tries) or elapsed > self.retry_policy.seconds:
                    tried = f" ({attempt} failed attempts, {elapsed:.0f} s)" if attempt > 1 else ""
                    raise limited.error(
                        f"{without_query(request.url)} {error.problem}{tried}",
                        remedy=limited.remedy or (_LOOKED_UP if item_id else _CHECK_NETWORK),
                        transient=limited.transient,
                    ) from None
                # Half the wait of a download, because a user waits for the response.
                seconds = self.retry_policy.wait(attempt - 1, error.retry_after)
            time.sleep(seconds)

    def _content(self, request: Request, most: int, is_item: bool) -> bytes:
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
                    self._raise_for_status(response, request, is_item)
                return read_body(response, most, self.retry_policy.read)
        except RefusedRedirect as refused:
            raise BadReference(f"{shown} {refused}", remedy="check the URL") from None
        except TooLarge as large:
            raise (PageTooLarge if request.searches else BadReference)(
                f"{shown} {large}", remedy="name an item of a STAC API, not a collection of them"
            ) from None
        except ValueError as error:  # InvalidURL, InvalidSchema, MissingSchema, UnicodeError
            raise BadReference(
                f"{shown} is no usable URL ({type(error).__name__})", remedy="check its spelling"
            ) from None
        except (requests.RequestException, ConnectionError) as error:  # its text may contain the query
            raise RetryableError(f"cannot be reached ({describe_error(error)})") from None

    def _raise_for_status(self, response: Any, request: Request, is_item: bool) -> NoReturn:
        status, shown = response.status_code, without_query(request.url)
        wait, text = retry_after(response.headers), ""
        if request.searches and status in _TOO_LARGE_STATUS:
            tries = 1 if status == 413 else 2  # the others may be temporary
            raise LimitedRetry(f"answers {status}", wait, error=PageTooLarge, tries=tries)
        if status in PASSING_STATUS or status >= 500:
            raise RetryableError(f"answers {status}", wait)
        if request.searches:
            text = _error_text(response, self.retry_policy.read)
        if refusal := explain_refusal(response.url or request.url, status, response.headers):
            raise refusal
        if status == 403 and (request.searches or is_item):  # some gateways answer so when they throttle
            remedy = _CHECK_SEARCH if request.searches else "check the URL"
            raise LimitedRetry(f"answers 403{text}", wait, tries=2, remedy=remedy, transient=False)
        if request.searches:
            is_limit = status in (400, 422) and "limit" in text.lower()
            error = PageTooLarge if is_limit else BadReference
            raise error(f"{shown} answers {status}{text}", remedy=_CHECK_SEARCH)
        if status in (404, 410):
            raise NoSuchItem(
                f"there is no such item: {shown} answers {status}",
                remedy="check the id and the collection (LC_ASSETS_COLLECTION); it is the catalog's id, not the "
                "product's",
            )
        raise BadReference(f"{shown} answers {status}", remedy="check the URL")

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
