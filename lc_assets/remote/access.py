"""What a STAC API asks for that refuses a request because of who sends it.

Requests to APIs carry no token. The GeoCatalogs of Planetary Computer Pro (`*.geocatalog.spatio.azure.com`) ask for one
of Microsoft Entra ID, and their files for signatures that the GeoCatalog issues for the same token. Both would be
needed, so neither is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from lc_assets.core.errors import BadReference, without_query

_GEOCATALOG = "geocatalog.spatio.azure.com"
_SAVE = "or download its items and their files with such a token, and name the items' JSON"


def explain_refusal(url: str, status: int, headers: Mapping[str, str]) -> BadReference | None:
    """Return the error that says what the API at a URL asks for, or None where its answer has another reason.

    Args:
        url: URL of the request.
        status: HTTP status of the answer.
        headers: headers of the answer.
    """
    host, answer = (urlsplit(url).hostname or "").rstrip("."), f"{without_query(url)} answers {status}"
    if status in (401, 403) and (host == _GEOCATALOG or host.endswith(f".{_GEOCATALOG}")):
        return BadReference(
            f"{answer}: this GeoCatalog of Planetary Computer Pro asks for a token of Microsoft Entra ID, which is not "
            "sent",
            remedy=f"use the public Planetary Computer (unset LC_ASSETS_STAC_URL), {_SAVE}: az account "
            f"get-access-token --resource https://{_GEOCATALOG} prints one",
        )
    if status == 401:
        scheme = (headers.get("WWW-Authenticate") or "").strip().split(" ")[0]
        kind = f" ({scheme})" if scheme.isascii() and scheme.isalpha() and len(scheme) < 20 else ""
        return BadReference(
            f"{answer}: it asks for a login or a token{kind}, which is not sent",
            remedy=f"check the URL (LC_ASSETS_STAC_URL), use a public catalog, {_SAVE}",
        )
    return None
