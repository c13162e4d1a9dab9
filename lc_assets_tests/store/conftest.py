"""A store in S3 (moto's server) and in Azure (azurite), each behind a gate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lc_assets.core.settings import Settings
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import parse_path
from lc_assets_tests.conftest import Desk
from lc_assets_tests.rig.command import NOBODY, QUICK
from lc_assets_tests.rig.object_stores import reached
from loopback.gate import Gate
from loopback.object_stores import S3, Azure
from loopback.programs import Missing


@pytest.fixture(scope="session", params=["s3", "azure"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[S3 | Azure, Gate]]:
    """A server of each protocol, and the gate (proxy) in front of it."""
    try:
        store = {"s3": S3, "azure": Azure}[request.param]()
    except Missing as missing:
        pytest.skip(str(missing))
    # A client per bucket is cached for the whole process, so it must use the gate from its first request.
    gate = Gate(store.port)
    yield store, gate
    gate.stop()
    store.stop()


@pytest.fixture
def remote(server: tuple[S3 | Azure, Gate], tmp_path: Path) -> Iterator[tuple[ObjectPath, Gate]]:
    """An empty root in the object store."""
    store, gate = server
    through = {name: value.replace(f":{store.port}", f":{gate.port}") for name, value in store.environment.items()}
    gate.clear()
    with reached(through, tmp_path / "scratch"):
        root = parse_path(f"{store.url}/{tmp_path.name}")
        assert isinstance(root, ObjectPath)
        yield root, gate
    gate.refuse()


@pytest.fixture
def away(remote: tuple[ObjectPath, Gate]) -> Iterator[Desk]:
    """A desk whose store is in the object store."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(Settings(store=str(remote[0]), stac_url=NOBODY, precision="float32", retry_policy=QUICK), instance)
