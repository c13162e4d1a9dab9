"""Object stores: their URLs, an obstore client for each bucket, and the same credentials for GDAL.

| URL | server | GDAL reads it as |
|---|---|---|
| `s3://bucket/prefix` | Amazon S3 and servers with the same protocol | `/vsis3/bucket/prefix` |
| `az://container/prefix` | Azure Blob Storage | `/vsiaz/container/prefix` |
| `gs://bucket/prefix` | Google Cloud Storage | `/vsigs/bucket/prefix` |

Credentials come from the environment variables that each provider's own tools use:

- AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL (for servers other than
  Amazon's), or the role of the machine;
- AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN;
- GOOGLE_APPLICATION_CREDENTIALS.

Two libraries read them: GDAL reads pixels, by ranges, and obstore does everything else. If their variable names differ,
this module sets GDAL's variables from the others. Credentials are never written to a file or a log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from lc_assets.core.environment import set_default, set_variable, unset, variables
from lc_assets.core.errors import StoreError
from lc_assets.core.urls import SCHEMES
from lc_assets.store.unread_variables import find_unread

_GDAL = dict(zip(SCHEMES, ("/vsis3", "/vsiaz", "/vsigs"), strict=True))

_RETRY_CONFIG = {
    # Enough for a store that refuses requests, or cannot be reached, for half a minute. (Each wait is a random time
    # between `init_backoff` and `base` times the previous wait.)
    "max_retries": 60,
    "retry_timeout": timedelta(seconds=75),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=5), "base": 3},
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
"""Valid names of buckets and containers, by the rules of the provider that allows most."""
_PROVIDERS = ("AWS_", "AZURE_", "GOOGLE_")
_gdal_variables: dict[str, str] = {}
"""Environment variables that this module has set for GDAL -> URL scheme for which they were set."""
_connecting = Lock()
_GDAL_RETRY = {"GDAL_HTTP_MAX_RETRY": "8", "GDAL_HTTP_RETRY_DELAY": "0.5", "GDAL_HTTP_CONNECTTIMEOUT": "10"}


@dataclass(frozen=True)
class Bucket:
    """A bucket (S3, Google) or a container (Azure).

    Attributes:
        scheme: `s3`, `az` or `gs`.
        name: name of the bucket or container.
    """

    scheme: str
    name: str

    @property
    def url(self) -> str:
        """URL of the bucket, `scheme://name`."""
        return f"{self.scheme}://{self.name}"

    @property
    def gdal(self) -> str:
        """GDAL path of the bucket, for example `/vsis3/name`."""
        return f"{_GDAL[self.scheme]}/{self.name}"

    @property
    def version_field(self) -> str:
        """Name of obstore's value that a condition compares: Google's server compares an object's generation, which
        obstore calls its version, and the others its ETag."""
        return "version" if self.scheme == "gs" else "e_tag"

    def client(self) -> Any:
        """Return the obstore client of this process for the bucket, and set GDAL's variables for it.

        Raises:
            StoreError: the environment contains no usable credentials.
        """
        own = _gdal_variables.keys()
        with _connecting:  # which sets variables, and `cache` lets several threads do it at once
            found = tuple(sorted(v for v in variables().items() if v[0].startswith(_PROVIDERS) and v[0] not in own))
            return _connect(self.scheme, self.name, found)


def parse_url(url: str) -> tuple[Bucket, str]:
    """Return (bucket, key prefix) of the URL of an object store.

    Raises:
        StoreError: it is not a valid URL of an object store.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    key = parts.path.strip("/")
    extra = parts.query or parts.fragment or "@" in parts.netloc or ":" in parts.netloc
    bad_key = bool(key) and any(part in ("", ".", "..") for part in key.split("/"))
    if parts.scheme not in SCHEMES or not _NAME.fullmatch(parts.netloc) or extra or bad_key:
        raise StoreError(
            f"the store {url} is no place to write to",
            remedy="name a folder, or s3://bucket/prefix, az://container/prefix or gs://bucket/prefix; credentials "
            "come from the environment, not from the URL",
        )
    return Bucket(parts.scheme, parts.netloc), key


@cache
def _connect(scheme: str, name: str, environment: tuple[tuple[str, str], ...]) -> Any:
    """Return one client for each bucket and each set of the providers' environment variables.

    Raises:
        StoreError: a variable is wrong, or obstore rejects the credentials.
    """
    from obstore import store

    _check_environment(scheme, dict(environment))

    for variable, value in _GDAL_RETRY.items():
        set_default(variable, value)
    for variable in [variable for variable, set_for in _gdal_variables.items() if set_for == scheme]:
        unset(variable)
        del _gdal_variables[variable]
    settings = gdal_settings(scheme, dict(environment))
    for variable, value in settings.items():
        set_variable(variable, value)
    _gdal_variables.update(dict.fromkeys(settings, scheme))
    # GDAL caches file content by name. In a worker that runs for weeks, the content of a name changes.
    uncached = variables().get("CPL_VSIL_CURL_NON_CACHED")
    bucket = f"{_GDAL[scheme]}/{name}"
    if not uncached or bucket not in uncached.split(":"):
        set_variable("CPL_VSIL_CURL_NON_CACHED", f"{uncached}:{bucket}" if uncached else bucket)
    options: dict[str, Any] = {"retry_config": _RETRY_CONFIG, "client_options": {"timeout": "120s"}}
    try:
        if scheme == "s3":
            options["client_options"]["allow_http"] = s3_endpoint(variables()).startswith("http://")
            return store.S3Store(name, **options)
        if scheme == "az":
            azure: Any = azure_settings(variables())
            options["client_options"]["allow_http"] = azure.get("endpoint", "").startswith("http://")
            return store.AzureStore(name, config=azure, **options)
        return store.GCSStore(name, **options)
    except Exception as error:  # obstore raises one of several classes for a bad key
        raise StoreError(
            f"the store {scheme}://{name} cannot be used ({str(error).splitlines()[0][:200]})",
            remedy="check the credentials in the environment (docs/storage-and-cluster.md)",
        ) from None


def _check_environment(scheme: str, environment: Mapping[str, str]) -> None:
    """Check variables whose wrong values the libraries report badly, or which they do not read. The message does not
    show the value.

    Raises:
        StoreError: a variable has an impossible value, or names credentials in a way that is not read.
    """
    wrong = next((name for name, value in environment.items() if not value.isprintable()), None)
    what = "holds a line break or another control character"
    if not wrong and scheme == "s3" and (endpoint := s3_endpoint(environment)):
        try:
            parts = urlsplit(endpoint)
            valid = parts.scheme in ("http", "https") and parts.hostname
        except ValueError:
            valid = None
        if not valid:
            wrong, what = "AWS_ENDPOINT_URL", "is no http(s)://host"
    if not wrong and scheme == "az" and str(azure_settings(environment).get("sas_token", "")).startswith("?"):
        wrong, what = "the SAS token in AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_SAS_TOKEN", "begins with '?'"
    if wrong:
        raise StoreError(f"{wrong} {what}", remedy="correct it (docs/storage-and-cluster.md)")
    if unread := find_unread(scheme, environment):
        raise unread


def gdal_settings(scheme: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the GDAL variables for credentials that the environment holds under other names."""
    settings: dict[str, str] = {}
    if scheme == "s3":
        endpoint = urlsplit(s3_endpoint(environment))
        if endpoint.netloc:
            settings |= {
                "AWS_S3_ENDPOINT": endpoint.netloc,
                "AWS_HTTPS": "NO" if endpoint.scheme == "http" else "YES",
                # Servers other than Amazon's rarely have a host name for each bucket.
                "AWS_VIRTUAL_HOSTING": "FALSE",
            }
        if region := environment.get("AWS_REGION"):
            settings["AWS_DEFAULT_REGION"] = region  # which GDAL, unlike obstore, prefers
    if scheme == "az" and not environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        names = {
            "AZURE_STORAGE_ACCOUNT": ("AZURE_STORAGE_ACCOUNT_NAME",),
            "AZURE_STORAGE_ACCESS_KEY": ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
        }
        for gdal_name, others in names.items():
            if value := next((environment[other] for other in others if environment.get(other)), None):
                settings[gdal_name] = value
    return settings


def s3_endpoint(environment: Mapping[str, str]) -> str:
    """Return the URL of an S3 server other than Amazon's; an empty text for Amazon's."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    return next((environment[name] for name in names if environment.get(name)), "")


def azure_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return obstore's configuration for Azure. obstore does not read connection strings, so they are parsed here."""
    config: dict[str, Any] = {}
    text = environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
    parts = {k.strip().lower(): v for k, _, v in (part.partition("=") for part in text.split(";")) if v}
    names = {
        "account_name": ("accountname", ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")),
        "account_key": ("accountkey", ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY")),
        "sas_token": ("sharedaccesssignature", ("AZURE_STORAGE_SAS_TOKEN",)),
        "endpoint": ("blobendpoint", ()),
    }
    for option, (part, own) in names.items():
        values = [parts.get(part), *(environment.get(variable) for variable in own if not text)]
        if value := next((value for value in values if value), None):
            config[option] = value
    if "endpoint" not in config and (suffix := parts.get("endpointsuffix")) and "account_name" in config:
        config["endpoint"] = f"https://{config['account_name']}.blob.{suffix}"
    return config
