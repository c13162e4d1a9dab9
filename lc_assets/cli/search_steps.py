"""What `lc-assets search`, `backfill` and `stale` do and show."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
from dagster import DagsterInstance

from lc_assets.cli.instance import open_instance, register_scenes
from lc_assets.core.errors import LandCoverError, printable
from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.inference.loading import read_contract
from lc_assets.operations.backfills import launch_backfill
from lc_assets.operations.status import NEEDS_RUN, SceneStatus, scene_statuses, stale_items, waiting_items
from lc_assets.sentinel2.acquisition import acquisition_of
from lc_assets.sentinel2.item.providers import catalog_of
from lc_assets.sentinel2.item.scene import Scene
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.query import Query
from lc_assets.store.ids import checked_id

_COLOURS = {
    SceneStatus.DONE: "green",
    SceneStatus.FAILED: "red",
    SceneStatus.STALE: "yellow",
    SceneStatus.WAITING: "cyan",
}
_DAEMON_SECONDS = 90


def find(settings: Settings, query: Query) -> list[dict[str, Any]]:
    """All items that a search finds, by acquisition time."""
    found = [item for page in StacCatalogClient.of(settings).search(query) for item in page]
    return sorted(found, key=lambda item: (str((item.get("properties") or {}).get("datetime")), str(item.get("id"))))


def show_search(
    settings: Settings, documents: Sequence[dict[str, Any]], *, ids: bool, register: bool, backfill: bool
) -> list[str]:
    """A table of what there is and how it stands; register what is new and launch a backfill if asked to. What to say
    of the items that cannot be used."""
    with open_instance(settings) as instance:
        names = [str(document.get("id")) for document in documents]
        stand = scene_statuses(instance, build_definitions(settings), names)
        for document, name in zip(documents, names, strict=True):
            if not ids:
                click.echo(_row(document, stand[name]))
            elif _is_usable(name):  # others may hold line breaks: a second reference in a pipe
                click.echo(name)
        click.echo(_summary(list(stand.values())), err=True)
        if not documents:
            where = f"{settings.collection} at {settings.stac_url}"
            click.echo(f"nothing in {where}: loosen the limits, or check LC_ASSETS_COLLECTION", err=True)
        if not (register or backfill):
            return []
        scenes, failures = parsed(settings, documents)
        new = register_scenes(settings, instance, scenes)
        click.echo(f"{len(new)} registered", err=True)
        if backfill:
            usable = {scene.id for scene in scenes}
            _launch(settings, instance, {item: s for item, s in stand.items() if item in usable}, NEEDS_RUN, {})
    return failures


def run_backfill(
    settings: Settings,
    scenes: Sequence[Scene] | None,
    config: dict[str, Any],
    *,
    everything: bool,
    dry_run: bool,
) -> None:
    """Launch a backfill of what is left to do of some scenes, or of all that are registered.

    Args:
        settings: store, model, instance.
        scenes: None is all that are registered.
        config: of the ops.
        everything: what is done too.
        dry_run: only say what would be run.
    """
    read_contract(settings.model)  # a model that is not there makes no map stale
    with open_instance(settings) as instance:
        ids = None if scenes is None else [scene.id for scene in scenes]
        stand = scene_statuses(instance, build_definitions(settings), ids)
        wanted = (*NEEDS_RUN, SceneStatus.DONE) if everything else NEEDS_RUN
        if dry_run:
            for item, standing in stand.items():
                if standing in wanted:
                    click.echo(f"{item}\t{standing.value}")
            click.echo(f"{_summary(list(stand.values()))}; {sum(s in wanted for s in stand.values())} to run", err=True)
            return
        register_scenes(settings, instance, list(scenes or ()))
        _launch(settings, instance, stand, wanted, config)


def list_stale(settings: Settings, *, backfill: bool) -> None:
    """Name the scenes whose map another model or older code made, and hand them to a backfill if asked to."""
    read_contract(settings.model)  # a model that is not there makes no map stale
    with open_instance(settings) as instance:
        definitions = build_definitions(settings)
        items = stale_items(instance, definitions)
        if not items:
            click.echo("no map is stale", err=True)
        elif not backfill:
            click.echo("\n".join(items))
        else:
            waiting = waiting_items(instance, definitions)
            stand = {item: SceneStatus.WAITING if item in waiting else SceneStatus.STALE for item in items}
            _launch(settings, instance, stand, NEEDS_RUN, {})


def parsed(settings: Settings, documents: Sequence[dict[str, Any]]) -> tuple[list[Scene], list[str]]:
    """The scenes of found items, and what to say of those that are none."""
    scenes, failures = [], []
    for document in documents:
        try:
            scenes.append(StacCatalogClient.of(settings).parse(document))
        except LandCoverError as error:
            failures.append(str(error))
            click.secho(f"error: {error}", fg="red", err=True)
    return scenes, failures


def _launch(
    settings: Settings,
    instance: DagsterInstance,
    stand: dict[str, SceneStatus],
    wanted: Sequence[SceneStatus],
    config: dict[str, Any],
) -> None:
    items = [item for item, standing in stand.items() if standing in wanted]
    waiting = sum(standing is SceneStatus.WAITING for standing in stand.values())
    if items:
        contract, _ = read_contract(settings.model)
        # The runs' processes read these; a store named by --store must reach them too.
        os.environ["LC_ASSETS_STORE"] = str(settings.store)
        counts = Counter(stand[item].value for item in items)
        title = f"{len(items)} scenes: {', '.join(f'{n} {name}' for name, n in counts.items())}"
        backfill = launch_backfill(
            instance, build_definitions(settings), items, fingerprint=contract.fingerprint, config=config, title=title
        )
        click.echo(f"backfill {backfill}: {title}")
        if not _daemon_is_alive(instance):
            click.echo("make ui, or lc-assets ui, works it off")
        click.echo(
            f"(its runs refuse another model than {contract.name}: the UI, or daemon and workers, must run with the "
            "same LC_ASSETS_MODEL)"
        )
    else:
        click.echo("nothing to run")
    if waiting:
        click.echo(f"{waiting} were queued or running already")


def _daemon_is_alive(instance: DagsterInstance) -> bool:
    beats = instance.get_daemon_heartbeats().values()
    return any(time.time() - beat.timestamp < _DAEMON_SECONDS for beat in beats)


def _row(document: dict[str, Any], standing: SceneStatus) -> str:
    found = document.get("properties")
    properties: dict[str, Any] = found if isinstance(found, dict) else {}
    kind = catalog_of(document)
    cells = [
        click.style(f"{standing.value:<8}", fg=_COLOURS.get(standing)),
        f"{printable(str(properties.get('datetime')))[:19]:<19}",
        f"{acquisition_of(document).tile or '?':<5}",
        f"{_percent(properties.get(kind.cloud_property))} cloud",
        f"{_percent(properties.get(kind.nodata_property))} empty",
        f"{printable(str(properties.get('s2:processing_baseline', '?')))[:5]:<5}",
        printable(str(document.get("id"))).replace("\n", " ")[:200],
    ]
    return "  ".join(cells)


def _is_usable(item_id: str) -> bool:
    try:
        checked_id(item_id)
    except LandCoverError:
        return False
    return True


def _percent(value: Any) -> str:
    return f"{value:5.1f} %" if isinstance(value, int | float) and 0 <= value <= 100 else "    ? %"


def _summary(found: Sequence[SceneStatus]) -> str:
    counts = Counter(found)
    parts = ", ".join(f"{counts[standing]} {standing.value}" for standing in SceneStatus if counts[standing])
    return f"{len(found)} scenes{': ' if parts else ''}{parts}"
