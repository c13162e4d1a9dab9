"""`lc-assets view`: a scene's report, or all scenes on one page, in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.options import settings_with, store_option, user_errors
from lc_assets.core.errors import LandCoverError, StoreError
from lc_assets.store.scratch import user_temp_dir

if TYPE_CHECKING:
    from lc_assets.store.layout import Store
    from lc_assets.store.paths import StorePath

_MOST_LISTED = 10


@click.command()
@click.argument("item", required=False, metavar="[ITEM]")
@store_option
@click.option("--no-open", is_flag=True, help="Only tell where the page is.")
@user_errors
def view(item: str | None, store: str | None, no_open: bool) -> None:
    """Open a scene's report in the browser; without ITEM, a page of all scenes and where they are.

    ITEM is a scene's id or what tells it from the others: '33UUB 2024-06-21'. The page of all scenes is written anew
    each time, as index.html in the store.
    """
    settings = settings_with(store)
    from lc_assets.store.layout import Store

    opened = Store.at(settings.store)
    place = _report(opened, item) if item else _gallery(opened)
    click.echo(str(place))
    click.echo(place.as_uri())
    if not no_open and not webbrowser.open(place.as_uri()):
        click.echo("no browser could be started: open it yourself", err=True)


def _report(store: Store, wanted: str) -> Path:
    """A scene's report, as a local file."""
    scene = _scene(store, wanted)
    page = store.scene(scene).report
    if isinstance(page, Path):
        if page.exists():
            return page
        raise _without_report(scene)
    try:
        content = page.read_bytes()
    except FileNotFoundError:
        raise _without_report(scene) from None
    except OSError as error:
        raise StoreError(
            f"{page} cannot be read ({error.strerror or error})",
            item=scene,
            remedy="look whether the object store is there, then run it again",
            transient=not isinstance(error, PermissionError),
        ) from None
    click.echo("a copy from the object store: its links to the scene's files lead nowhere", err=True)
    return _kept(store, page, content)


def _without_report(scene: str) -> LandCoverError:
    return LandCoverError(
        "it has no report yet", item=scene, remedy=f"lc-assets classify {scene}, or materialise its asset `report`"
    )


def _scene(store: Store, wanted: str) -> str:
    """The one scene that is meant: the whole id, or one that has all the words."""
    from lc_assets.products.pages.gallery_items import scene_ids

    known = scene_ids(store)
    if wanted in known:
        return wanted
    words = wanted.replace("-", "").upper().split()
    fit = [scene for scene in known if words and all(word in scene.replace("-", "").upper() for word in words)]
    if not fit:
        raise LandCoverError(
            f"no scene in {store.root} is {wanted[:100]!r}",
            remedy=f"classify it (lc-assets classify {wanted[:100]}), or see what is there: lc-assets view",
        )
    if len(fit) > 1:
        listed = ", ".join(fit[:_MOST_LISTED]) + (f" and {len(fit) - _MOST_LISTED} more" if fit[_MOST_LISTED:] else "")
        raise LandCoverError(
            f"{wanted[:100]!r} fits {len(fit)} scenes: {listed}", remedy="name more of the one you mean"
        )
    return fit[0]


def _gallery(store: Store) -> Path:
    """The page of all scenes, as a local file."""
    from lc_assets.products.pages.gallery import PAGE, beside, embedded, gallery_page
    from lc_assets.products.pages.gallery_items import format_gallery, read_gallery

    gallery = read_gallery(store)
    for line in format_gallery(gallery):
        click.secho(line, fg="yellow", err=True)
    if not gallery.shown:
        raise LandCoverError(
            f"no scene in {store.root} has a map yet", remedy="make one: lc-assets classify, or lc-assets demo"
        )
    page = store.root / PAGE
    _write(page, gallery_page(gallery, str(store.root), beside, linked=True))
    if isinstance(page, Path):
        return page
    click.echo(f"{page} is for whoever serves the store; this is a copy, without links to the scenes", err=True)
    return _kept(store, page, gallery_page(gallery, str(store.root), embedded(store, gallery), linked=False))


def _kept(store: Store, page: StorePath, content: bytes) -> Path:
    """A local copy of a page of an object store."""
    below = str(page).removeprefix(str(store.root)).strip("/")
    try:
        copy = user_temp_dir("lc_assets-view") / (store.root.name or "store") / below
    except OSError as error:
        raise _unwritable(error) from None
    _write(copy, content)
    return copy


def _write(page: StorePath, content: bytes) -> None:
    """Write a page whole. (Not by `store.put`, which works beside a folder: beside a store there may be no room.)"""
    from lc_assets.store.paths import compare_and_swap, etag

    try:
        compare_and_swap(page, content, etag(page))  # if another is newer, it says the same
    except OSError as error:
        raise _unwritable(error, page) from None


def _unwritable(error: OSError, page: StorePath | None = None) -> StoreError:
    return StoreError(
        f"{page or error.filename} cannot be written ({error.strerror or error})",
        remedy="check the permissions and the room there",
        transient=not isinstance(error, PermissionError),
    )
