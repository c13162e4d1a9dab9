"""Files of an object store: compare and swap, listing, removal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.store.atomic import atomic_output
from lc_assets.store.lease import lease
from lc_assets.store.object_path import ObjectPath
from lc_assets.store.paths import StorePath, compare_and_swap, etag, list_files, remove_tree, walk_files
from lc_assets_tests.store.google_store import google_store
from loopback.gate import Gate

pytestmark = pytest.mark.xdist_group("object stores")


def _count(place: StorePath) -> None:
    while True:
        seen = etag(place)
        value = int(place.read_bytes()) if seen else 0
        if compare_and_swap(place, str(value + 1).encode(), seen):
            return


def _check_concurrent_counting(place: StorePath) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_count, [place] * 24))
    assert place.read_bytes() == b"24"
    assert not compare_and_swap(place, b"0", None) and not compare_and_swap(place, b"0", "77")


@pytest.mark.parametrize("where", ["disk", "store"])
def test_concurrent_compare_and_swap_loses_no_update(
    remote: tuple[ObjectPath, Gate], tmp_path: Path, where: str
) -> None:
    _check_concurrent_counting(tmp_path / "count" if where == "disk" else remote[0] / "count")


def test_google_compares_generations_where_the_others_compare_etags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with google_store(tmp_path, monkeypatch) as root:
        _check_concurrent_counting(root / "count")
        with lease(root / "lease", wait=0, seconds=0.8) as held:
            time.sleep(1.2)
            held.ensure_held()
        assert not (root / "lease").exists()


def test_a_folder_is_listed_and_removed_with_all_its_objects(remote: tuple[ObjectPath, Gate]) -> None:
    root = remote[0] / "tree"
    for name in ("a.txt", "b/c.txt", "b/d/e.txt", ".hidden"):
        (root / name).write_bytes(name.encode())
    (remote[0] / "tree2").write_bytes(b"a neighbour")
    assert {path.name for path in root.iterdir()} == {"a.txt", "b", ".hidden"}
    assert set(list_files(root)) == {"a.txt", ".hidden"}
    assert sum(size for _, size in walk_files(root)) == sum(map(len, ("a.txt", "b/c.txt", "b/d/e.txt", ".hidden")))
    with (root / "b" / "c.txt").open() as file:
        file.seek(2)
        assert file.read() == b"c.txt"
    remove_tree(root)
    assert not list(root.iterdir()) and (remote[0] / "tree2").exists()
    with pytest.raises(FileNotFoundError):
        (root / "a.txt").read_bytes()


def test_a_folder_where_a_file_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "out" / "a.tif").mkdir(parents=True)
    with (
        pytest.raises(StoreError, match=r"out/a.tif is a folder where a file belongs -> remove the folder"),
        atomic_output(tmp_path / "out", item="x", asset="overview") as stage,
    ):
        (stage / "a.tif").write_bytes(b"pixels")
