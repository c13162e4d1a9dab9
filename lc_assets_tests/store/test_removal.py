"""A scene in an object store is removed as one on a disk is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import DEMO_ITEM_ID as DEMO
from lc_assets.operations.removal import forget_item, plan_removal, remove_scene
from lc_assets.operations.run_retention import InUse
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import walk_files
from lc_assets_tests.conftest import Desk
from lc_assets_tests.store.object_stores import names_in
from loopback.gate import Gate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("object stores")]


def test_a_scene_in_an_object_store_goes_whole_but_not_while_another_machine_fetches_it(
    classified: Desk, remote: tuple[ObjectPath, Gate]
) -> None:
    root, _ = remote
    local = Path(classified.settings.store)
    for path, _size in walk_files(local):
        (root / str(Path(str(path)).relative_to(local))).write_bytes(path.read_bytes())
    away = Desk(replace(classified.settings, store=str(root)), classified.instance)
    folder = away.folder(DEMO)
    folder.incoming.mkdir(parents=True)
    (folder.incoming / "B02.tif").write_bytes(bytes(500))
    in_use = InUse(away.instance, build_definitions(away.settings))
    before = names_in(root)
    assert plan_removal(away.store, away.instance, DEMO, {}).files.files == sum(DEMO in name for name in before) + 1
    assert isinstance(folder.lease, ObjectPath)
    with lease(folder.lease, wait=0, seconds=1), pytest.raises(StoreError, match="is fetching it"):
        remove_scene(away.store, away.instance, in_use, DEMO, {}, lease_seconds=1)
    assert names_in(root) == before
    remove_scene(away.store, away.instance, in_use, DEMO, {}, lease_seconds=1)
    forget_item(away.store, DEMO)
    assert names_in(root) == {name for name in before if DEMO not in name} != set()
    assert not folder.incoming.parent.exists()
