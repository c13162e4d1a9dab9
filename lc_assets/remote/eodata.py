"""Files of the Copernicus Data Space (CDSE): the S3 bucket `eodata`, which is read with a user's own S3 keys.

The items of its catalog name files as `s3://eodata/...`, and HTTPS addresses that need a login (OIDC) beside them
(eu-cdse/eometadatatool, the example of `sentinel-2-l2a`). The endpoint is `ENDPOINT`, with the bucket in the path.
These variables are read, in this order:

- CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY;
- AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, if AWS_ENDPOINT_URL (AWS_ENDPOINT_URL_S3,
  AWS_ENDPOINT, AWS_S3_ENDPOINT) names the endpoint. Keys of another server are never used.

URLs are signed here and not by obstore, because obstore adds the session token and the endpoint of the environment even
where other keys are given: a token for Amazon's S3 would be sent to CDSE. The signature is that of AWS ("Authenticating
Requests: Using Query Parameters", Signature Version 4).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from lc_assets.core.environment import variable

HOST = "eodata.dataspace.copernicus.eu"
ENDPOINT = f"https://{HOST}"
BUCKET = "eodata"
REGION = "default"
KEYS_PAGE = "https://eodata-s3keysmanager.dataspace.copernicus.eu"

_LOGIN_HOSTS = ("download.dataspace.copernicus.eu", "zipper.dataspace.copernicus.eu")
"""Hosts of the HTTPS addresses beside `s3://eodata`. They need a token of a login, which is not sent."""
_SECONDS = 3600
"""Seconds for which a signature is valid: a transfer that starts in time may last longer."""
_OWN = ("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY")
_AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_S3_ENDPOINT")


class MissingKeys(Exception):
    """No usable S3 keys for CDSE. The message names the variables, not their values."""


class Keys(NamedTuple):
    """S3 keys; `token` is the session token of temporary keys, or empty."""

    access: str
    secret: str
    token: str = ""


def https_url(href: str) -> str:
    """Return the HTTPS URL of an `s3://eodata/...` href, or the href unchanged if it is another one."""
    prefix = f"s3://{BUCKET}/"
    parts = href.removeprefix(prefix).split("/")
    if not href.startswith(prefix) or any(part in ("", ".", "..") for part in parts):
        return href
    return f"{ENDPOINT}/{BUCKET}/{quote('/'.join(parts))}"


def is_eodata(url: str) -> bool:
    """Return True for the URL of a file in the bucket at CDSE's endpoint."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    inside = path.startswith(f"/{BUCKET}/") and not {".", ".."} & set(path.split("/"))
    return inside and (parts.scheme, parts.netloc) == ("https", HOST)


def needs_login(url: str) -> bool:
    """Return True for a file of CDSE that is given out only for the token of a login."""
    return urlsplit(url).hostname in _LOGIN_HOSTS


def keys_from_environment() -> Keys:
    """Return the S3 keys for CDSE.

    Raises:
        MissingKeys: there are none.
    """
    own, aws = ([variable(name) for name in names] for names in (_OWN, _AWS))
    if any(own):
        if all(own):
            return Keys(own[0], own[1])
        raise MissingKeys(f"{_OWN[0 if own[1] else 1]} is not set, but {_OWN[1 if own[1] else 0]} is")
    endpoint = next(((name, variable(name)) for name in _ENDPOINTS if variable(name)), None)
    if all(aws) and endpoint and endpoint[1].removeprefix("https://").rstrip("/") == HOST:
        return Keys(aws[0], aws[1], variable("AWS_SESSION_TOKEN"))
    text = f"{_OWN[0]} and {_OWN[1]} are not set"
    if any(aws):
        why = f"{endpoint[0]} is another server" if endpoint else f"AWS_ENDPOINT_URL is not {ENDPOINT}"
        text += f" ({_AWS[0]} is not used, because {why})" if all(aws) else f" ({_AWS[0]} or {_AWS[1]} is missing too)"
    raise MissingKeys(text)


def presign(url: str, keys: Keys) -> str:
    """Return the URL of an S3 object with a signature for GET in its query. The result is a secret.

    Args:
        url: URL without a query; its path is already quoted.
        keys: S3 keys.
    """
    parts = urlsplit(url)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    fields = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{keys.access}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(_SECONDS),
        **({"X-Amz-Security-Token": keys.token} if keys.token else {}),
        "X-Amz-SignedHeaders": "host",
    }
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
    request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{url}?{query}&X-Amz-Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
