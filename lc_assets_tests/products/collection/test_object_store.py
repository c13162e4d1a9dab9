"""The collection in an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lc_assets.products.collection.update import Changes, update
from lc_assets.products.collection.verify import check_collection
from lc_assets.store.layout import Store
from lc_assets_tests.products.collection.store_items import (
    Document,
    add,
    counts_of,
    everything,
    needs_extra,
    only,
    scenes_of,
)
from lc_assets_tests.rig.command import invoke
from lc_assets_tests.rig.object_stores import s3_store


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Store]:
    with s3_store(tmp_path / "scratch") as server:
        yield Store.at(server.url)


@pytest.mark.slow
@needs_extra
def test_the_collection_works_in_an_object_store(bucket: Store, template: Document, tmp_path: Path) -> None:
    local = Store(tmp_path / "local")

    def upload(number: int) -> str:
        scene = add(local, template, number)
        name = f"{scene}_classified.json"
        (bucket.scene(scene).folder / name).write_bytes((local.scene(scene).folder / name).read_bytes())
        return scene

    first, second, third = upload(0), upload(1), upload(2)
    assert counts_of(update(bucket, everything)) == (3, 3, 0, 0)
    bucket.scene(third).folder.joinpath(f"{third}_classified.json").unlink()
    mine, theirs = upload(3), upload(4)
    asked: list[str] = []

    def ask(positions: Any) -> Changes:
        if not asked:
            asked.append(theirs)
            update(bucket, only(theirs))
        return Changes([mine], {})

    assert update(bucket, ask).attempts == 2
    assert counts_of(update(bucket, everything, rebuild=True)) == (4, 0, 0, 1)
    assert scenes_of(bucket, tmp_path / "work") == {first, second, mine, theirs}
    faults = check_collection(bucket)
    assert (faults.invalid, faults.counts) == ([], [])
    found = invoke("search", "--done", "--store", bucket.root, "--datetime", "2024-02")
    assert f"{bucket.root}/scenes/{second}/{second}_classified.tif" in found.stdout
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file() or path.suffix == ".part"]
