"""Several writers of one index, writers that die, and their work folders."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lc_assets.core.errors import StoreError
from lc_assets.operations import cleanup
from lc_assets.products.collection import update as updating
from lc_assets.products.collection.update import Changes, read_positions, update
from lc_assets.products.collection.verify import check_collection
from lc_assets.store.layout import Store
from lc_assets_tests.products.collection.store_items import (
    Document,
    add,
    counts_of,
    everything,
    needs_extra,
    only,
    scene_id,
    scenes_of,
)


@needs_extra
def test_two_writers_at_the_same_time_lose_no_items(store: Store, template: Document, tmp_path: Path) -> None:
    update_all = [add(store, template, 0)]
    update(store, everything)
    mine, theirs = add(store, template, 1), add(store, template, 2)

    def ask(positions: Any) -> Changes:
        if theirs not in update_all:
            update_all.append(theirs)
            update(store, lambda p: Changes([theirs], {**(p or {}), "theirs": 1}))
        return Changes([mine], {**(positions or {}), "mine": 1})

    report = update(store, ask)
    assert report.attempts == 2
    assert counts_of(report) == (3, 1, 0, 0)
    assert scenes_of(store, tmp_path / "work") == {*update_all, mine}
    assert set(read_positions(store) or {}) == {"mine", "theirs"}


@pytest.mark.slow
@needs_extra
def test_many_writers_at_the_same_time_lose_no_items(store: Store, template: Document, tmp_path: Path) -> None:
    add(store, template, 0)
    update(store, everything)
    shares = [[add(store, template, 10 * writer + number) for number in range(2)] for writer in range(1, 4)]
    failures: list[BaseException] = []

    def work(share: list[str]) -> None:
        try:
            for scene in share:
                update(store, only(scene))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert scenes_of(store, tmp_path / "work") == {scene_id(0), *(scene for share in shares for scene in share)}
    faults = check_collection(store)
    assert (faults.invalid, faults.counts) == ([], [])


@needs_extra
def test_a_writer_that_always_loses_is_an_error(
    store: Store, template: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, template, 0)
    monkeypatch.setattr(updating.paths, "compare_and_swap", lambda *_: False)
    monkeypatch.setattr(updating.time, "sleep", lambda _: None)
    with pytest.raises(StoreError, match="one writer at a time") as caught:
        update(store, everything)
    assert caught.value.transient


@needs_extra
def test_the_next_writer_writes_the_document_of_a_writer_that_died(
    store: Store, template: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    update(store, lambda _: Changes(None)) if add(store, template, 0) else None
    new = add(store, template, 1)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(updating, "_publish", die)
        with pytest.raises(KeyboardInterrupt):
            update(store, only(new))
    assert check_collection(store).counts
    update(store, only())
    assert check_collection(store).counts == []


def test_prune_finds_the_work_folder_of_a_writer_that_died(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(str(store.root))
    root.mkdir()
    with updating.scratch(store) as work:
        assert work.parent == root
        assert list(cleanup._stages(store)) == []
    assert not work.exists()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    monkeypatch.setattr(os, "getpid", lambda: dead.pid)
    with monkeypatch.context() as patch, updating.scratch(store) as work:
        patch.undo()
        assert list(cleanup._stages(store)) == [work]


def test_a_reader_does_not_create_a_missing_store(store: Store) -> None:
    with updating.scratch(store) as work:
        assert work.is_dir()
    assert not Path(str(store.root)).exists()


def test_a_scratch_folder_that_cannot_be_created_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LC_ASSETS_SCRATCH", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="LC_ASSETS_SCRATCH"), updating.scratch(Store.at("s3://bucket/maps")):
        pass
