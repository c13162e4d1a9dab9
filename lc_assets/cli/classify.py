"""`lc-assets classify` and `lc-assets register`: classify scenes in this process, or only register them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lc_assets.cli.crash_watch import working_on
from lc_assets.cli.options import (
    class_raster_options,
    echo_warning,
    exit_if_failed,
    for_each_scene,
    resolve_scenes,
    run_config,
    scene_references,
    with_session,
)
from lc_assets.cli.progress_bar import ProgressBar
from lc_assets.cli.session import Session

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lc_assets.operations.runs import RunResult
    from lc_assets.sentinel2.item.scene import Scene
    from lc_assets.store.layout import SceneLayout
    from lc_assets.store.paths import StorePath


@click.command()
@scene_references
@class_raster_options
@click.option("-v", "--verbose", is_flag=True, help="Show Dagster's log.")
@with_session
def classify(
    session: Session,
    scene_refs: tuple[str, ...],
    listed: Iterable[str] | None,
    class_raster: dict[str, Any],
    verbose: bool,
) -> None:
    """Classify scenes: register each, materialise its six assets, and show the result.

    While one scene is computed, the next one is fetched.
    One scene that fails does not stop the others; the exit status is 1 when any failed.
    """
    config = run_config(session, class_raster)
    scenes, failures = resolve_scenes(session, scene_refs, listed)
    total = len(scenes) + len(failures)
    failures += classify_all(session, scenes, config, verbose=verbose)
    exit_if_failed(failures, total)


@click.command()
@scene_references
@with_session
def register(session: Session, scene_refs: tuple[str, ...], listed: Iterable[str] | None) -> None:
    """Register scenes as partitions, without classifying them: the UI and the `dagster` commands can take over."""
    from lc_assets.operations.keys import CLASSIFY

    scenes, failures = resolve_scenes(session, scene_refs, listed)
    with session.open_instance() as instance:
        new = session.register(instance, scenes)
    for scene in scenes:
        click.echo(f"{'registered' if scene.id in new else 'known already'}: {scene.id}")
    if scenes:
        click.echo("Next: lc-assets ui, or, in an activated .venv:")
        click.echo(f"  dagster asset materialize --select 'group:land_cover' --partition {scenes[0].id}")
        click.echo("  lc-assets backfill  (the UI's daemon runs it), or one of chosen scenes:")
        click.echo(f"  dagster job backfill -j {CLASSIFY} --partitions ID1,ID2 --noprompt  (the UI's daemon runs them)")
    exit_if_failed(failures, len(scenes) + len(failures))


def classify_all(
    session: Session, scenes: list[Scene], config: dict[str, Any] | None = None, *, verbose: bool = False
) -> list[str]:
    """Register and classify scenes, one after the other, and print the result of each.

    While a scene is computed, the next one is fetched.

    Args:
        session: store, model, instance.
        scenes: what to classify.
        config: run config of the ops, from `run_config`; None takes the defaults.
        verbose: show Dagster's log in place of the progress bar.

    Returns:
        One error per scene that failed.

    Raises:
        KeyboardInterrupt: a run was interrupted. The remaining scenes are not run.
    """
    with session.open_instance() as instance, _fetching_ahead(session, instance, scenes):
        session.register(instance, scenes)

        def work(scene: Scene) -> None:
            result = _run(session, instance, scene.id, config or {}, verbose)
            result.raise_if_failed(scene.id)
            _show(result, session.store.scene(scene.id))

        return for_each_scene(scenes, work)


def _fetching_ahead(session: Session, instance: DagsterInstance, scenes: list[Scene]) -> AbstractContextManager[None]:
    """Inside the context, the next scene is fetched as soon as the current run has its files.

    Where the pool of downloads has a limit, each scene is fetched in its run only, which has a place in the pool.
    """
    from lc_assets.operations.keys import DOWNLOADS_POOL
    from lc_assets.operations.pools import is_limited
    from lc_assets.sentinel2.bands.fetch_ahead import fetching_ahead
    from lc_assets.store.scratch import scratch_dir

    if is_limited(instance, DOWNLOADS_POOL):
        return nullcontext()
    return fetching_ahead(scenes, scratch_dir(session.store.root))


def _run(session: Session, instance: DagsterInstance, item: str, config: dict[str, Any], verbose: bool) -> RunResult:
    """Classify one scene; on a terminal, show a progress bar unless `verbose`."""
    from lc_assets.core.progress import progress_callbacks
    from lc_assets.operations.keys import ASSET_NAMES, DOWNLOADS_POOL
    from lc_assets.operations.pools import wait_for_place
    from lc_assets.operations.runs import run_scene

    def on_asset(name: str) -> None:
        bar.finish_step(name)
        following = ASSET_NAMES.index(name) + 1
        if following < len(ASSET_NAMES):
            working_on(item, ASSET_NAMES[following])

    with (
        ProgressBar(ASSET_NAMES, visible=sys.stdout.isatty() and not verbose) as bar,
        progress_callbacks(None if verbose else bar.update, None if verbose else bar.note),
    ):
        working_on(item, ASSET_NAMES[0])
        wait_for_place(instance, DOWNLOADS_POOL)
        return run_scene(session.definitions, instance, item, config, verbose=verbose, on_asset=on_asset)


def _show(result: RunResult, layout: SceneLayout) -> None:
    """Print the path and the seconds of each asset, the share of each class, warnings and totals."""
    from lc_assets.core.landcover import ALL_CLASSES
    from lc_assets.operations.keys import ASSET_NAMES

    paths = {
        "raw_bands": layout.raw_bands,
        "resampled_stack": layout.resampled_stack,
        "class_raster": layout.classified,
        "overview": layout.overview,
        "report": layout.report,
        "catalog": layout.catalog,
    }
    for name in ASSET_NAMES:
        seconds = result.metadata[name].get("seconds", 0)
        click.echo(f"      {name:<16}{seconds:8.2f} s  {shown_path(paths[name])}")
    metadata = result.metadata["class_raster"]
    titles = {c.name: c.title for c in ALL_CLASSES}
    shares = [(titles[row.data["class"]], float(row.data["percent"])) for row in metadata["classes"].records]
    listed = ", ".join(
        f"{title} {share:.1f} %" for title, share in sorted(shares, key=lambda s: -s[1]) if share >= 0.05
    )
    click.echo(f"      {listed}")
    all_no_data = shares[-1][1] == 100
    if all_no_data:
        echo_warning("no pixel could be classified; the map is all No Data", indent="      ")
    for warning in result.warnings:
        echo_warning(warning, indent="      ")
    confidence = "no confidence" if all_no_data else f"mean confidence {metadata['mean_confidence_percent']:.0f} %"
    click.echo(f"      {result.seconds:.1f} s in all, {confidence}, run {result.run_id[:8]}")


def shown_path(path: StorePath) -> str:
    """A path as text: relative to the working folder if it is below it, else absolute."""
    if not isinstance(path, Path):
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
