"""Variables of other tools that say where credentials are, but that the libraries behind an object store do not read.

Without a message, such a variable looks as if the store could not be reached: obstore then asks for the machine's role,
which a computer outside the cloud does not have, and GDAL may read the variable although obstore does not. Which
variables obstore reads: its `S3Config` and `AzureConfig`. GDAL's: "GDAL Virtual File Systems", /vsis3/ and /vsiaz/.
"""

from __future__ import annotations

from collections.abc import Mapping

from lc_assets.core.errors import StoreError

_AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_AWS_ROLES = (
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    "AWS_SKIP_SIGNATURE",
)
_AWS_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE")
_AWS_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AZURE_KEYS = (
    *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
    *("AZURE_STORAGE_MASTER_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY", "AZURE_STORAGE_TOKEN"),
    *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_USE_AZURE_CLI"),
    *("AZURE_MSI_ENDPOINT", "AZURE_IDENTITY_ENDPOINT", "AZURE_SKIP_SIGNATURE", "AZURE_STORAGE_USE_EMULATOR"),
)
_AZURE_UNREAD = (
    *("AZURE_STORAGE_AUTH_MODE", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_NO_SIGN_REQUEST"),
    "AZURE_STORAGE_ACCESS_TOKEN",
)


def find_unread(scheme: str, environment: Mapping[str, str]) -> StoreError | None:
    """Return the error for an environment that gives a store no credentials although a variable names some, or None.

    Args:
        scheme: of the store's URL.
        environment: the provider's variables. A variable that is empty counts as unset.
    """
    there = {name for name, value in environment.items() if value}
    if scheme == "s3":
        return _unread_aws(there, environment)
    name = next((name for name in _AZURE_UNREAD if name in there), None) if scheme == "az" else None
    if name is None or there.intersection(_AZURE_KEYS):
        return None
    return _missing(
        f"{name} is set, but it is not read here",
        "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or "
        "AZURE_STORAGE_SAS_TOKEN, or unset it to use the machine's identity",
    )


def _unread_aws(there: set[str], environment: Mapping[str, str]) -> StoreError | None:
    missing = [name for name in _AWS_KEYS if name not in there]
    if len(missing) == 1:
        [other] = set(_AWS_KEYS) - set(missing)
        return _missing(f"{missing[0]} is not set, but {other} is", "set both, or none to use the machine's role")
    endpoint = environment.get("AWS_S3_ENDPOINT", "").rstrip("/")
    if endpoint and not there.intersection(_AWS_ENDPOINTS) and not endpoint.endswith("amazonaws.com"):
        url = endpoint if "://" in endpoint else f"https://{endpoint}"
        return _missing(
            "AWS_S3_ENDPOINT is set, but GDAL alone reads it, for pixels", f"set AWS_ENDPOINT_URL={url} instead"
        )
    if not missing or there.intersection(_AWS_ROLES):
        return None
    if profile := next((name for name in _AWS_PROFILES if name in there), None):
        return _missing(
            f"{profile} is set, but profiles and credential files are not read here",
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN): `aws configure export-credentials "
            f"--format env` prints those of a profile; or unset {profile} to use the machine's role",
        )
    if "AWS_NO_SIGN_REQUEST" in there:
        return _missing("AWS_NO_SIGN_REQUEST is set, but GDAL alone reads it", "set AWS_SKIP_SIGNATURE=true too")
    return None


def _missing(problem: str, remedy: str) -> StoreError:
    return StoreError(f"the credentials of the store are missing: {problem}", remedy=remedy)
