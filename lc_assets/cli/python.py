"""`lc_assets.classify`: the command `lc-assets classify` as a Python function."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lc_assets.cli.options import run_config
from lc_assets.cli.session import Session, open_session
from lc_assets.core.environment import restored
from lc_assets.core.errors import BadReference

if TYPE_CHECKING:
    import pystac

    from lc_assets.products.arrays import OpenedMap
    from lc_assets.sentinel2.item.scene import Scene


def classify(
    item: str | Path | pystac.Item,
    store: str | Path | None = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    mask_clouds: bool | None = None,
    mask_dilation: int | None = None,
) -> OpenedMap:
    """Classify a scene by a Dagster run in this process, and open its map.

    The run is that of the command `lc-assets classify`: in the same instance (DAGSTER_HOME, default `./.dagster`), with
    the same settings, files and records. A map that the scene already has is replaced. A check that fails without
    stopping the run becomes a Python warning.

    Args:
        item: a STAC item, or a reference to one: URL, id, path of its JSON, folder whose catalog has one item.
        store: a folder, or s3://, az://, gs://; None takes LC_ASSETS_STORE, else `./store`.
        window: 0 for a map of positions, 64 for one of windows; None takes what the model has.
        stride: step between windows in pixels.
        mask_clouds: set clouds and their shadows to No Data; None masks them.
        mask_dilation: metres by which they grow first.

    Raises:
        BadReference: the reference names no scene, or several.
        LandCoverError: the scene cannot be classified.
        KeyboardInterrupt: the run was interrupted.
    """
    from lc_assets.products.arrays import open_scene

    with restored("LC_ASSETS_STORE", "DAGSTER_HOME"):
        session = open_session(None if store is None else str(store))
        options = {"window": window, "stride": stride, "mask_clouds": mask_clouds, "mask_dilation": mask_dilation}
        config = run_config(session, options)
        scene = _scene(item, session)
        _run(scene, session, config)
        return open_scene(session.settings.store, scene.id)


def _scene(item: str | Path | pystac.Item, session: Session) -> Scene:
    """Return the one scene that `item` is or names.

    Raises:
        LandCoverError: there is no such scene, there are several, or its item cannot be used.
    """
    from lc_assets.sentinel2.item.scene import parse_scene
    from lc_assets.sentinel2.search.references import resolve

    if not (isinstance(item, str | Path) or hasattr(item, "to_dict")):
        raise BadReference(
            f"a {type(item).__name__} is given as a scene",
            remedy="give one scene: a pystac.Item, or a text or path that names it",
        )
    if not isinstance(item, str | Path):
        # Transforming links would read the catalog that they name.
        return parse_scene(item.to_dict(transform_hrefs=False), base=item.get_self_href())
    found = list(resolve(str(item), session.registry.named, session.settings.retry_policy))
    if len(found) > 1:
        raise BadReference(
            f"the reference names {len(found)} scenes, {found[0].reference} and others", remedy="name one scene"
        )
    if found[0].error is not None:
        raise found[0].error
    assert found[0].scene is not None
    return found[0].scene


def _run(scene: Scene, session: Session, config: dict[str, Any]) -> None:
    """Register a scene and materialise its six assets.

    Raises:
        LandCoverError: the run failed.
    """
    from lc_assets.operations.keys import DOWNLOADS_POOL
    from lc_assets.operations.pools import wait_for_place
    from lc_assets.operations.runs import run_scene

    with session.open_instance() as instance:
        session.register(instance, [scene])
        wait_for_place(instance, DOWNLOADS_POOL)
        with warnings.catch_warnings():
            # In a notebook, Dagster cannot close its event loop within that of the kernel, which has no consequence.
            warnings.filterwarnings("ignore", "coroutine 'BaseEventLoop.shutdown_asyncgens' was never awaited")
            result = run_scene(session.definitions, instance, scene.id, config)
    result.raise_if_failed(scene.id)
    for warning in result.warnings:
        warnings.warn(f"{scene.id}: {warning}", stacklevel=3)
