"""What tests ask for: `pc`, the Planetary Computer on loopback, and `relay`, hosts that a test plays itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import planetary_computer as sdk
import pytest

from loopback.planetary_computer import PlanetaryComputer
from loopback.programs import Missing
from loopback.relay import Relay
from loopback.stac_api import StacApi


class _Rig(PlanetaryComputer):
    """Its catalogue makes a test skip where PostgreSQL is missing; storage and tokens work without."""

    @property
    def api(self) -> StacApi:
        try:
            return super().api
        except Missing as missing:
            pytest.skip(str(missing))


@pytest.fixture(scope="session")
def planetary_computer() -> Iterator[PlanetaryComputer]:
    """One for the whole session; skips, saying what is missing. Tests want `pc`."""
    rig = _Rig()
    try:
        rig.start()
    except Missing as missing:
        pytest.skip(str(missing))
    with contextlib.suppress(pytest.skip.Exception):
        _ = rig.api  # before any test, for it belongs to none
    yield rig
    rig.stop()


@pytest.fixture
def pc(planetary_computer: PlanetaryComputer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlanetaryComputer]:
    """The Planetary Computer for one test: no faults, no records, no cached tokens, and all clients go through it.

    Blobs and items of earlier tests stay; scenes have ids of their own.
    """
    planetary_computer.renew()
    for name in ("ALL_PROXY", "all_proxy", "SSL_CERT_DIR", "PC_SDK_SAS_URL", "PC_SDK_SUBSCRIPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in planetary_computer.environment.items():
        monkeypatch.setenv(name, value)
    sdk.sas.TOKEN_CACHE.clear()
    sdk.settings.Settings.get.cache_clear()
    yield planetary_computer
    planetary_computer.relay.hang_up()
    planetary_computer.renew()
    sdk.sas.TOKEN_CACHE.clear()
    sdk.settings.Settings.get.cache_clear()


@pytest.fixture
def relay(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay whose hosts the test adds. All clients go through it. It needs no other program."""
    relay = Relay()
    authority = relay.write_authority(tmp_path_factory.mktemp("relay") / "authority.pem")
    for name in ("ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in relay.client_environment(authority).items():
        monkeypatch.setenv(name, value)
    yield relay
    relay.stop()
