"""A catalog or a container that wants to know who asks: one line says what it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import BadBand, BadReference
from lc_assets.core.retry_policy import RetryPolicy
from lc_assets.remote import signing
from lc_assets.remote.access import explain_refusal
from lc_assets.remote.download import Download
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from loopback.relay import Relay
from loopback.wire import Answer, Request

QUICK = RetryPolicy(connect=1.0, read=0.5, backoff=0.01)
PRO = "maps.f00d.northcentralus.geocatalog.spatio.azure.com"
OWN = "stac.example.org"
BLOB = "https://mapsf00d.blob.core.windows.net/private/B02.tif"


def message_of(host: str, search: bool) -> str:
    client = StacCatalogClient(f"https://{host}/stac", "sentinel-2-l2a", QUICK)
    with pytest.raises(BadReference) as caught:
        list(client.search(Query(tiles=("33UUB",)))) if search else client.scene("S2A_33UUB_20240820_0_L2A")
    assert not caught.value.transient
    message = str(caught.value)
    assert "\n" not in message and "<html>" not in message
    return message


@pytest.mark.parametrize("search", [True, False], ids=["search", "item"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_geocatalog_names_the_token_that_it_asks_for(status: int, search: bool, relay: Relay) -> None:
    relay.add_host(PRO, lambda request: Answer(status, {"Content-Type": "text/html"}, b"<html>denied</html>"))
    message = message_of(PRO, search)
    assert (
        f"answers {status}: this GeoCatalog of Planetary Computer Pro asks for a token of Microsoft Entra ID" in message
    )
    assert "az account get-access-token --resource https://geocatalog.spatio.azure.com" in message
    assert len(relay.exchanges) == 1


@pytest.mark.parametrize("search", [True, False], ids=["search", "item"])
@pytest.mark.parametrize(
    ("header", "kind"), [("Bearer realm=x", " (Bearer)"), ("Basic", " (Basic)"), ("", ""), ("\x1b[1m", "")]
)
def test_another_catalog_that_asks_for_a_login_says_so(header: str, kind: str, search: bool, relay: Relay) -> None:
    relay.add_host(OWN, lambda request: Answer(401, {"WWW-Authenticate": header} if header else {}))
    assert f"answers 401: it asks for a login or a token{kind}, which is not sent -> " in message_of(OWN, search)


@pytest.mark.parametrize("host", ["geocatalog.spatio.azure.com.example.org", "xgeocatalog.spatio.azure.com", OWN])
def test_a_403_of_any_other_host_is_not_explained_by_a_token(host: str) -> None:
    assert explain_refusal(f"https://{host}/stac", 403, {}) is None
    assert explain_refusal(f"https://{PRO}/stac", 404, {}) is None


@pytest.mark.parametrize(
    ("status", "headers"), [(401, {}), (403, {}), (409, {"x-ms-error-code": "PublicAccessNotPermitted"})]
)
def test_a_private_container_without_a_token_fails_at_the_second_answer(
    status: int, headers: dict[str, str], relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_container(request: Request) -> Answer:
        return Answer.of_json({"detail": "No collection found"}, 404)

    monkeypatch.setattr(signing, "_without_token", set[tuple[str, str]]())
    relay.add_host("planetarycomputer.microsoft.com", no_container)
    relay.add_host("mapsf00d.blob.core.windows.net", lambda request: Answer(status, headers))
    transfer: Any = Download(BLOB, tmp_path / "B02.tif", "B02", retry_policy=QUICK)
    with pytest.raises(BadBand, match=rf"answered {status} for {BLOB} -> its container is private"):
        transfer.run()
    assert sum("blob" in exchange.host for exchange in relay.exchanges) == 2
