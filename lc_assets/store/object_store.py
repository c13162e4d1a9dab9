"""Object stores: what a URL names, the client that speaks to it, and the same credentials for GDAL.

| URL | server | GDAL reads it as |
|---|---|---|
| `s3://bucket/prefix` | Amazon S3 and what speaks its protocol | `/vsis3/bucket/prefix` |
| `az://container/prefix` | Azure Blob Storage | `/vsiaz/container/prefix` |
| `gs://bucket/prefix` | Google Cloud Storage | `/vsigs/bucket/prefix` |

Credentials come from the usual environment, by the names of each provider's own tools: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL (other servers than Amazon's), or the role of the
machine; AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN;
GOOGLE_APPLICATION_CREDENTIALS. Two libraries read them, obstore (everything but pixels) and GDAL (pixels, by ranges);
where their names differ, this module says the one's in terms of the other's. Nothing of it is ever written anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from lc_assets.core.errors import StoreError
from lc_assets.core.urls import SCHEMES

_GDAL = dict(zip(SCHEMES, ("/vsis3", "/vsiaz", "/vsigs"), strict=True))

_PATIENCE = {
    # A store that refuses for half a minute, or is away for as long, is waited for. (Each wait is drawn between the
    # first and three times the last one.)
    "max_retries": 60,
    "retry_timeout": timedelta(seconds=75),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 3},
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
"""What a bucket or container may be called, by the most generous provider's rules."""
_PROVIDERS = ("AWS_", "AZURE_", "GOOGLE_")
_given: dict[str, str] = {}
"""Variables that this module has set for GDAL -> for which scheme."""
_GDAL_PATIENCE = {"GDAL_HTTP_MAX_RETRY": "8", "GDAL_HTTP_RETRY_DELAY": "0.5", "GDAL_HTTP_CONNECTTIMEOUT": "10"}


@dataclass(frozen=True)
class Bucket:
    """A bucket (S3, Google) or a container (Azure): scheme and name."""

    scheme: str
    name: str

    @property
    def url(self) -> str:
        """`scheme://name`."""
        return f"{self.scheme}://{self.name}"

    @property
    def gdal(self) -> str:
        """What GDAL calls it."""
        return f"{_GDAL[self.scheme]}/{self.name}"

    def client(self) -> Any:
        """An obstore client, one per process; GDAL is set up on the way."""
        ours = _given.keys()
        named = tuple(sorted(v for v in os.environ.items() if v[0].startswith(_PROVIDERS) and v[0] not in ours))
        return _connect(self.scheme, self.name, named)


def parse_url(url: str) -> tuple[Bucket, str]:
    """(bucket, key below it) of a store's URL.

    Raises:
        StoreError: it is no URL of an object store.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    key = parts.path.strip("/")
    odd = parts.query or parts.fragment or "@" in parts.netloc or ":" in parts.netloc
    stray = bool(key) and any(part in ("", ".", "..") for part in key.split("/"))
    if parts.scheme not in SCHEMES or not _NAME.fullmatch(parts.netloc) or odd or stray:
        raise StoreError(
            f"the store {url} is no place to write to",
            remedy="name a folder, or s3://bucket/prefix, az://container/prefix or gs://bucket/prefix; credentials "
            "come from the environment, not from the URL",
        )
    return Bucket(parts.scheme, parts.netloc), key


@cache
def _connect(scheme: str, name: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """One client for each bucket and each set of variables that say how to get there."""
    from obstore import store

    _check_environment(scheme, dict(environment))

    for variable, value in _GDAL_PATIENCE.items():
        os.environ.setdefault(variable, value)
    for variable in [variable for variable, kind in _given.items() if kind == scheme]:
        os.environ.pop(variable, None)
        del _given[variable]
    settings = gdal_settings(scheme, dict(environment))
    os.environ.update(settings)
    _given.update(dict.fromkeys(settings, scheme))
    # GDAL remembers what lies behind a name; in a worker that lives for weeks, names get other content.
    cached = os.environ.get("CPL_VSIL_CURL_NON_CACHED")
    ours = f"{_GDAL[scheme]}/{name}"
    if not cached or ours not in cached.split(":"):
        os.environ["CPL_VSIL_CURL_NON_CACHED"] = f"{cached}:{ours}" if cached else ours
    options: dict[str, Any] = {"retry_config": _PATIENCE, "client_options": {"timeout": "120s"}}
    try:
        if scheme == "s3":
            options["client_options"]["allow_http"] = _s3_endpoint(os.environ).startswith("http://")
            return store.S3Store(name, **options)
        if scheme == "az":
            azure: Any = _azure(os.environ)
            options["client_options"]["allow_http"] = azure.get("endpoint", "").startswith("http://")
            return store.AzureStore(name, config=azure, **options)
        return store.GCSStore(name, **options)
    except Exception as error:  # obstore's own classes; a bad key is told as any of several
        raise StoreError(
            f"the store {scheme}://{name} cannot be used ({str(error).splitlines()[0][:200]})",
            remedy="check the credentials in the environment (docs/storage-and-cluster.md)",
        ) from None


def _check_environment(scheme: str, environment: Mapping[str, str]) -> None:
    """Refuse what the libraries would stumble over, without showing it.

    Raises:
        StoreError: a variable cannot be right.
    """
    wrong = next((name for name, value in environment.items() if not value.isprintable()), None)
    what = "holds a line break or another control character"
    if not wrong and scheme == "s3" and (endpoint := _s3_endpoint(environment)):
        try:
            parts = urlsplit(endpoint)
            right = parts.scheme in ("http", "https") and parts.hostname
        except ValueError:
            right = None
        if not right:
            wrong, what = "AWS_ENDPOINT_URL", "is no http(s)://host"
    if not wrong and scheme == "az" and str(_azure(environment).get("sas_token", "")).startswith("?"):
        wrong, what = "the SAS token in AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN", "begins with '?'"
    if wrong:
        raise StoreError(f"{wrong} {what}", remedy="mend it (docs/storage-and-cluster.md)")


def gdal_settings(scheme: str, environment: Mapping[str, str]) -> dict[str, str]:
    """GDAL's names for credentials that go by others in the environment."""
    settings: dict[str, str] = {}
    if scheme == "s3":
        endpoint = urlsplit(_s3_endpoint(environment))
        if endpoint.netloc:
            settings |= {
                "AWS_S3_ENDPOINT": endpoint.netloc,
                "AWS_HTTPS": "NO" if endpoint.scheme == "http" else "YES",
                # Other servers than Amazon's seldom have a host name for each bucket.
                "AWS_VIRTUAL_HOSTING": "FALSE",
            }
        if region := environment.get("AWS_DEFAULT_REGION"):
            settings["AWS_REGION"] = region
    if scheme == "az" and not environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        names = {
            "AZURE_STORAGE_ACCOUNT": ("AZURE_STORAGE_ACCOUNT_NAME",),
            "AZURE_STORAGE_ACCESS_KEY": ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        }
        for ours, others in names.items():
            if found := next((environment[other] for other in others if environment.get(other)), None):
                settings[ours] = found
    return settings


def _s3_endpoint(environment: Mapping[str, str]) -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((environment[name] for name in names if environment.get(name)), "")


def _azure(environment: Mapping[str, str]) -> dict[str, Any]:
    """obstore's configuration: it knows no connection strings."""
    config: dict[str, Any] = {}
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    parts = {k.strip().lower(): v for k, _, v in (part.partition("=") for part in text.split(";")) if v}
    names = {
        "account_name": ("accountname", ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")),
        "account_key": ("accountkey", ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY")),
        "sas_token": ("sharedaccesssignature", ("AZURE_STORAGE_SAS_TOKEN",)),
        "endpoint": ("blobendpoint", ()),
    }
    for ours, (part, variables) in names.items():
        values = [parts.get(part), *(environment.get(variable) for variable in variables if not text)]
        if value := next((value for value in values if value), None):
            config[ours] = value
    return config
