"""Send a signed GET request, and sort its failures: either another attempt may help, or the user must do something."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lc_assets.core.errors import BadBand
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.http import RefusedRedirect, describe_error, get_following_redirects
from lc_assets.remote.retry import RetryableError


@contextmanager
def signed_get(
    session: Any, href: str, headers: Mapping[str, str], retry_policy: RetryPolicy, another: str
) -> Iterator[Any]:
    """Yield the response to one request. The caller checks its status and reads its body inside the context.

    Args:
        session: from `lc_assets.remote.http.session`.
        href: unsigned URL.
        headers: headers of the request.
        retry_policy: time-outs.
        another: what the user may choose instead, for messages.

    Yields:
        A streamed response of `requests`, after redirects.

    Raises:
        RetryableError: another attempt may succeed. An error of the connection inside the context is one too.
        BadBand: another attempt cannot succeed.
    """
    from requests import RequestException
    from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

    def get(url: str) -> Any:
        signed = signing.signed(url)
        return session.get(signed, headers=headers, stream=True, timeout=retry_policy.timeout, allow_redirects=False)

    try:
        with get_following_redirects(get, href, retry_policy.head + signing.SECONDS) as response:
            yield response
    except signing.SigningFault as fault:
        if fault.transient:
            raise RetryableError(str(fault)) from None
        raise BadBand(f"{href} cannot be signed: {fault}", remedy=fault.remedy) from None
    except RefusedRedirect as refused:
        raise BadBand(f"{href} {refused}", remedy=f"choose {another}") from None
    except (InvalidURL, InvalidSchema, MissingSchema, UnicodeError) as error:
        raise BadBand(f"{href} is no usable URL ({type(error).__name__})", remedy="check its spelling") from None
    except (RequestException, ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError) as error:
        # (Other OSErrors come from the local disk.) The error's text contains the signed URL, so it is left out.
        raise RetryableError(describe_error(error)) from None
