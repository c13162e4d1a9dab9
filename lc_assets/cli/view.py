"""`lc-assets view`: open the report of a scene or a season map, or a page of all scenes, in the browser."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lc_assets.cli.completion import complete_scenes_and_maps
from lc_assets.cli.options import with_session
from lc_assets.cli.session import Session
from lc_assets.core.errors import LandCoverError, StoreError

if TYPE_CHECKING:
    from lc_assets.products.pages.gallery_items import Gallery
    from lc_assets.store.layout import SceneLayout, Store
    from lc_assets.store.paths import StorePath
    from lc_assets.store.season_layout import MapLayout


@click.command()
@click.argument("name", nargs=-1, metavar="[NAME]", shell_complete=complete_scenes_and_maps)
@click.option("--no-open", is_flag=True, help="Only print where the page is.")
@with_session
def view(session: Session, name: tuple[str, ...], no_open: bool) -> None:
    """Open the report of a scene or a season map in the browser; without NAME, a page of all scenes and where they
    are.

    NAME is a season map's name, a scene's id, or words that no other scene of the store has: 33UUB 2024-06-21. The
    page of all scenes is written each time, as index.html in the store.
    """
    page = _report(session.store, " ".join(name)) if name else _gallery(session.store)
    if name:
        _write_link_target(session.store)
    click.echo(str(page))
    click.echo(page.as_uri())
    if not no_open and not webbrowser.open(page.as_uri()):
        click.echo("no browser could be started: open it yourself", err=True)


def _report(store: Store, wanted: str) -> Path:
    """Path of the report of a scene or a season map on this disk; that of an object store is copied.

    Raises:
        LandCoverError: there is no such scene or map, or it has no report.
        StoreError: the report cannot be read.
    """
    from lc_assets.sentinel2.search.scene_names import scene_or_map
    from lc_assets.store.paths import reading

    layout = scene_or_map(store, wanted)
    page = layout.report
    with reading(page):
        if not page.exists():
            raise _no_report(layout)
        if isinstance(page, Path):
            return page
        content = page.read_bytes()
    click.echo("a copy from the object store: its links to the scene's files do not work", err=True)
    return _save_copy(store, page, content)


def _write_link_target(store: Store) -> None:
    """Write the page of all scenes, to which a report links, into a store on this disk that does not have it yet."""
    from lc_assets.store.layout import ALL_SCENES

    if isinstance(store.root, Path) and not (store.root / ALL_SCENES).exists():
        with suppress(LandCoverError):  # only that link does not work
            _gallery(store)


def _no_report(layout: SceneLayout | MapLayout) -> LandCoverError:
    from lc_assets.store.season_layout import MapLayout

    problem = "it has no report yet"
    if isinstance(layout, MapLayout):
        return LandCoverError(problem, season_map=layout.name, remedy=f"lc-assets map --name {layout.name}")
    remedy = f"lc-assets classify {layout.item}, or materialise its asset `report`"
    return LandCoverError(problem, item=layout.item, remedy=remedy)


def update_gallery(store: Store) -> None:
    """Write the pages of all scenes again if the store has them. Without a scene that has a map, they are removed.

    Raises:
        StoreError: the store cannot be read, or the page cannot be written.
    """
    from lc_assets.products.pages.gallery_items import read_gallery
    from lc_assets.store.layout import ALL_SCENES, PLOTS

    page = store.root / ALL_SCENES
    try:
        if not page.exists():
            return
        gallery = read_gallery(store)
        if not gallery.shown:
            for name in (ALL_SCENES, PLOTS):
                (store.root / name).unlink(missing_ok=True)
            return
    except OSError as error:
        raise _cannot_write(error, page) from None
    _write_pages(store, gallery)


def _write_pages(store: Store, gallery: Gallery) -> StorePath:
    """Write the page of all scenes and the plots into the store. Returns the path of the first one."""
    from lc_assets.products.pages.gallery import gallery_page, thumbnail_href
    from lc_assets.products.pages.plots import plots_page
    from lc_assets.store.layout import ALL_SCENES, PLOTS

    page = store.root / ALL_SCENES
    _write(store.root / PLOTS, plots_page(gallery))
    _write(page, gallery_page(gallery, str(store.root), thumbnail_href, linked=True))
    return page


def _gallery(store: Store) -> Path:
    """Write the page of all scenes into the store. Returns its path on this disk; for an object store, that of a copy.

    Raises:
        LandCoverError: no scene has a map.
        StoreError: the page cannot be written.
    """
    from lc_assets.products.pages.gallery import embedded_thumbnails, gallery_page
    from lc_assets.products.pages.gallery_items import format_gallery, read_gallery

    gallery = read_gallery(store)
    for line in format_gallery(gallery):
        click.secho(line, fg="yellow", err=True)
    if not gallery.shown and gallery.faulty:
        raise LandCoverError(f"no map in {store.root} can be shown", remedy="classify the scenes again")
    if not gallery.shown:
        raise LandCoverError(
            f"no scene in {store.root} has a map yet", remedy="make one: lc-assets classify, or lc-assets demo"
        )
    page = _write_pages(store, gallery)
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
