"""URLs under which a browser reaches the files of a store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

from lc_assets.core.environment import variables
from lc_assets.core.settings import FILES_URL
from lc_assets.store.object_store import Bucket, azure_settings, s3_endpoint
from lc_assets.store.paths import StorePath


def web_url(root: StorePath, path: StorePath, base: str = "") -> str:
    """Return the URL of a file of the store. It contains no credentials.

    Args:
        root: root of the store.
        path: the file.
        base: URL at which a web server has the store's root. Empty: for a folder that of `lc-assets ui`, for an object
            store its own, which a browser can read only if the bucket is public.
    """
    if isinstance(root, Path) or isinstance(path, Path):
        below = Path(str(path)).relative_to(Path(str(root))).as_posix()
        return f"{(base or FILES_URL).rstrip('/')}/{quote(below)}"
    if base:
        return f"{base.rstrip('/')}/{quote(path.key.removeprefix(root.key).strip('/'))}"
    return f"{bucket_url(path.bucket)}/{quote(path.key)}"


def bucket_url(bucket: Bucket) -> str:
    """Return the http(s) URL of a bucket or container; its own URL if the environment does not name the account."""
    environment = variables()
    if bucket.scheme == "s3":
        if endpoint := s3_endpoint(environment):
            return f"{_without_query(endpoint)}/{bucket.name}"
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
        host = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
        # Amazon's certificate does not fit a name with dots in front of the host.
        return f"https://{host}/{bucket.name}" if "." in bucket.name else f"https://{bucket.name}.{host}"
    if bucket.scheme == "az":
        azure = azure_settings(environment)
        account = azure.get("account_name")
        endpoint = azure.get("endpoint") or (f"https://{account}.blob.core.windows.net" if account else "")
        return f"{_without_query(endpoint)}/{bucket.name}" if endpoint else bucket.url
    return f"https://storage.googleapis.com/{bucket.name}"


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
