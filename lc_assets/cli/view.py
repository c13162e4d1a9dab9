"""`lc-assets view`: open a scene's report, or a page of all scenes, in the browser."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.options import settings_with, store_option, user_errors
from lc_assets.core.errors import LandCoverError, StoreError

if TYPE_CHECKING:
    from lc_assets.store.layout import Store
    from lc_assets.store.paths import StorePath

_MOST_LISTED = 10
"""Scenes that an error message lists."""


@click.command()
@click.argument("item", required=False, metavar="[ITEM]")
@store_option
@click.option("--no-open", is_flag=True, help="Only print where the page is.")
@user_errors
def view(item: str | None, store: str | None, no_open: bool) -> None:
    """Open a scene's report in the browser; without ITEM, a page of all scenes and where they are.

    ITEM is a scene's id, or words of it that no other scene has: '33UUB 2024-06-21'. The page of all scenes is written
    each time, as index.html in the store.
    """
    settings = settings_with(store)
    from lc_assets.store.layout import Store

    layout = Store.at(settings.store)
    page = _report(layout, item) if item else _gallery(layout)
    if item:
        _write_link_target(layout)
    click.echo(str(page))
    click.echo(page.as_uri())
    if not no_open and not webbrowser.open(page.as_uri()):
        click.echo("no browser could be started: open it yourself", err=True)


def _report(store: Store, wanted: str) -> Path:
    """Path of a scene's report on this disk; that of an object store is copied.

    Raises:
        LandCoverError: there is no such scene, or it has no report.
        StoreError: the report cannot be read.
    """
    scene = find_scene(store, wanted)
    page = store.scene(scene).report
    if isinstance(page, Path):
        if page.exists():
            return page
        raise _no_report(scene)
    try:
        content = page.read_bytes()
    except FileNotFoundError:
        raise _no_report(scene) from None
    except OSError as error:
        raise StoreError(
            f"{page} cannot be read ({error.strerror or error})",
            item=scene,
            remedy="check that the object store can be reached, then run it again",
            transient=not isinstance(error, PermissionError),
        ) from None
    click.echo("a copy from the object store: its links to the scene's files lead nowhere", err=True)
    return _save_copy(store, page, content)


def _write_link_target(store: Store) -> None:
    """Write the page of all scenes, to which a report links, into a store on this disk that does not have it yet."""
    from lc_assets.store.layout import ALL_SCENES

    if isinstance(store.root, Path) and not (store.root / ALL_SCENES).exists():
        with suppress(LandCoverError):  # only that link leads nowhere
            _gallery(store)


def _no_report(scene: str) -> LandCoverError:
    return LandCoverError(
        "it has no report yet", item=scene, remedy=f"lc-assets classify {scene}, or materialise its asset `report`"
    )


def find_scene(store: Store, wanted: str) -> str:
    """The id of the one scene whose id is `wanted`, or contains all of its words.

    Raises:
        LandCoverError: no scene fits, or several.
    """
    from lc_assets.products.pages.gallery_items import scene_ids

    known = scene_ids(store)
    if wanted in known:
        return wanted
    words = wanted.replace("-", "").upper().split()
    matches = [scene for scene in known if words and all(word in scene.replace("-", "").upper() for word in words)]
    if not matches:
        raise LandCoverError(
            f"no scene in {store.root} is {wanted[:100]!r}",
            remedy=f"classify it (lc-assets classify {wanted[:100]}), or see what is there: lc-assets view",
        )
    if len(matches) > 1:
        more = f" and {len(matches) - _MOST_LISTED} more" if matches[_MOST_LISTED:] else ""
        listed = ", ".join(matches[:_MOST_LISTED]) + more
        raise LandCoverError(
            f"{wanted[:100]!r} fits {len(matches)} scenes: {listed}", remedy="name more of the one you mean"
        )
    return matches[0]


def _gallery(store: Store) -> Path:
    """Write the page of all scenes into the store. Returns its path on this disk; for an object store, that of a copy.

    Raises:
        LandCoverError: no scene has a map.
        StoreError: the page cannot be written.
    """
    from lc_assets.products.pages.gallery import embedded_thumbnails, gallery_page, thumbnail_href
    from lc_assets.products.pages.gallery_items import format_gallery, read_gallery
    from lc_assets.products.pages.plots import plots_page
    from lc_assets.store.layout import ALL_SCENES, PLOTS

    gallery = read_gallery(store)
    for line in format_gallery(gallery):
        click.secho(line, fg="yellow", err=True)
    if not gallery.shown:
        raise LandCoverError(
            f"no scene in {store.root} has a map yet", remedy="make one: lc-assets classify, or lc-assets demo"
        )
    page = store.root / ALL_SCENES
    _write(store.root / PLOTS, plots_page(gallery))
    _write(page, gallery_page(gallery, str(store.root), thumbnail_href, linked=True))
    if isinstance(page, Path):
        return page
    click.echo(f"{page} is for a web server of the store; this is a copy, without links to the scenes", err=True)
    return _save_copy(
        store, page, gallery_page(gallery, str(store.root), embedded_thumbnails(store, gallery), linked=False)
    )


def _save_copy(store: Store, page: StorePath, content: bytes) -> Path:
    """Write a copy of an object store's page into this user's temporary folder. Returns its path."""
    from lc_assets.store.scratch import user_temp_dir

    below = str(page).removeprefix(str(store.root)).strip("/")
    try:
        copy = user_temp_dir("lc_assets-view") / (store.root.name or "store") / below
    except OSError as error:
        raise _cannot_write(error) from None
    _write(copy, content)
    return copy


def _write(page: StorePath, content: bytes) -> None:
    """Write a page in one step, so that no reader sees a part of it.

    `lc_assets.store.atomic.put` would make a temporary folder beside the store, where the user may not write.
    """
    from lc_assets.store.paths import compare_and_swap, etag

    try:
        # Writes nothing if another process has written the page meanwhile: that page is as new as this one.
        compare_and_swap(page, content, etag(page))
    except OSError as error:
        raise _cannot_write(error, page) from None


def _cannot_write(error: OSError, page: StorePath | None = None) -> StoreError:
    return StoreError(
        f"{page or error.filename} cannot be written ({error.strerror or error})",
        remedy="check the permissions and the free space there",
        transient=not isinstance(error, PermissionError),
    )
