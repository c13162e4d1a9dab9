"""Shared access signatures, made as Azure's documentation says, so that a real service verifies them.

"Create a service SAS", "Create an account SAS" (Microsoft Learn, Azure Storage REST API, version 2020-12-06 and later).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from urllib.parse import urlencode

_VERSION = "2021-06-08"
"""What the Planetary Computer's tokens say."""


def container_sas(account: str, key: str, container: str, permissions: str, seconds: float) -> str:
    """A service SAS for all blobs of a container.

    Args:
        account: storage account.
        key: its key, base64.
        container: which container.
        permissions: letters in Azure's order, `rl` for reading and listing.
        seconds: from now until it expires, exact to the millisecond; negative makes one that has expired.
    """
    start, expiry = _span(seconds)
    # permissions, start, expiry, resource, identifier, IP, protocol, version, resource type, snapshot, encryption
    # scope, and five response headers
    fields = [permissions, start, expiry, f"/blob/{account}/{container}", "", "", "", _VERSION, "c", *[""] * 7]
    return urlencode(
        {"st": start, "se": expiry, "sp": permissions, "sv": _VERSION, "sr": "c", "sig": _sign(key, fields)}
    )


def account_sas(account: str, key: str, seconds: float = 7 * 86400) -> str:
    """An account SAS that may do all that filling a container takes."""
    start, expiry = _span(seconds)
    permissions, services, types = "rwdlac", "b", "sco"
    fields = [account, permissions, services, types, start, expiry, "", "", _VERSION, "", ""]
    return urlencode(
        {
            "sv": _VERSION,
            "ss": services,
            "srt": types,
            "sp": permissions,
            "st": start,
            "se": expiry,
            "sig": _sign(key, fields),
        }
    )


def _span(seconds: float) -> tuple[str, str]:
    """Start, a day ago as the Planetary Computer has it, and expiry."""
    now = datetime.now(timezone.utc)
    start, expiry = now - timedelta(days=1), now + timedelta(seconds=seconds)
    return f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{expiry:%Y-%m-%dT%H:%M:%S}.{expiry.microsecond // 1000:03d}Z"


def _sign(key: str, fields: list[str]) -> str:
    digest = hmac.new(base64.b64decode(key), "\n".join(fields).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
