"""A Dagster instance with many scenes, in PostgreSQL on loopback, with copies of the records of a real run.

One scene is classified twice. The records of its first run are copied inside PostgreSQL with other run ids and
partitions, and with new ids in the same order. The second run comes last, so that Dagster's summaries (such as the
newest materialisation of an asset) are real.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
import yaml

from lc_assets.core.settings import Settings
from lc_assets.defs.build import build_definitions
from lc_assets.demo.scene import write_demo_scene
from lc_assets.operations.keys import SCENES
from lc_assets.operations.runs import run_scene
from lc_assets.sentinel2.item.scene import parse_scene, read_document
from lc_assets.sentinel2.search.catalog import StacCatalogClient
from lc_assets.sentinel2.search.registry import RegisteredItems
from lc_assets.store.layout import Store
from loopback.cluster.services import postgresql

ROOT = Path(__file__).parents[2]
LAST = datetime(2024, 9, 1, tzinfo=timezone.utc)
"""Day of the newest scenes."""
PICTURE = r"base64,[A-Za-z0-9+/=]{200,}"
"""An inline picture in a record."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_SHAPE = (1536, 1536)
_AT_ONCE = 5_000

_COPIES = """
CREATE TEMP TABLE copies AS
  SELECT p AS partition, gen_random_uuid()::text AS run_id, row_number() OVER () AS n
  FROM unnest(CAST(:keys AS text[])) AS p;
CREATE TEMP TABLE pattern AS
  SELECT id, CASE WHEN dagster_event_type = 'ASSET_MATERIALIZATION' AND step_key = 'class_raster' THEN event
                  ELSE regexp_replace(event, :cut, 'base64,AAAA', 'g') END AS event,
         dagster_event_type, timestamp, step_key, asset_key, partition, row_number() OVER (ORDER BY id) AS place
  FROM event_logs WHERE run_id = :run;
CREATE TEMP TABLE base AS
  SELECT (SELECT max(id) FROM event_logs) AS last, (SELECT count(*) FROM pattern) AS events;
INSERT INTO runs (run_id, snapshot_id, pipeline_name, mode, status, run_body, partition, partition_set,
                  create_timestamp, update_timestamp, start_time, end_time, backfill_id)
  SELECT c.run_id, snapshot_id, pipeline_name, mode, status,
         replace(replace(run_body, :run, c.run_id), :item, c.partition), c.partition, partition_set,
         create_timestamp, update_timestamp, start_time, end_time, backfill_id
  FROM runs r, copies c WHERE r.run_id = :run ORDER BY c.n;
INSERT INTO run_tags (run_id, key, value)
  SELECT c.run_id, key, replace(value, :item, c.partition) FROM run_tags t, copies c WHERE t.run_id = :run ORDER BY c.n;
INSERT INTO event_logs (id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
  SELECT b.last + (c.n - 1) * b.events + place, c.run_id,
         replace(replace(event, :run, c.run_id), :item, c.partition),
         dagster_event_type, timestamp, step_key, asset_key, replace(p.partition, :item, c.partition)
  FROM pattern p, copies c, base b ORDER BY c.n, place;
INSERT INTO asset_event_tags (event_id, asset_key, key, value, event_timestamp)
  SELECT b.last + (c.n - 1) * b.events + place, t.asset_key, key, replace(value, :item, c.partition), event_timestamp
  FROM asset_event_tags t JOIN pattern p ON p.id = t.event_id, copies c, base b ORDER BY c.n, place;
INSERT INTO asset_check_executions (asset_key, check_name, partition, run_id, execution_status, evaluation_event,
    evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id, create_timestamp)
  SELECT k.asset_key, check_name, replace(k.partition, :item, c.partition), c.run_id, execution_status,
         replace(replace(evaluation_event, :run, c.run_id), :item, c.partition), evaluation_event_timestamp,
         b.last + (c.n - 1) * b.events + e.place, b.last + (c.n - 1) * b.events + m.place, create_timestamp
  FROM asset_check_executions k JOIN pattern e ON e.id = k.evaluation_event_storage_id
    LEFT JOIN pattern m ON m.id = k.materialization_event_storage_id, copies c, base b
  WHERE k.run_id = :run ORDER BY c.n;
SELECT setval('event_logs_id_seq', (SELECT max(id) FROM event_logs));
DROP TABLE copies, pattern, base;
"""


@dataclass
class World:
    """The instance and its scenes.

    Attributes:
        folder: folder of all files; its subfolder `home` is DAGSTER_HOME.
        settings: store, model and STAC API.
        instance: instance with PostgreSQL.
        keys: all partition keys, newest acquisitions first.
        item: id of the scene that was classified.
        run: id of its first run.
        programs: environment variables of other programs.
        engine: connection to the database.
    """

    folder: Path
    settings: Settings
    instance: dg.DagsterInstance
    keys: list[str]
    item: str
    run: str
    programs: dict[str, str]
    engine: sa.Engine

    def copy_run(self, keys: Sequence[str], *, pictures: bool) -> None:
        """Copy the records of the real run to other scenes.

        Args:
            keys: ids of the scenes.
            pictures: False to remove inline pictures, except that of the class map, which our code reads.
        """
        values: dict[str, Any] = {"keys": list(keys), "run": self.run, "item": self.item}
        values |= {"cut": "$^" if pictures else PICTURE}
        with self.engine.begin() as connection:
            for statement in _COPIES.split(";\n"):
                if statement.strip():
                    connection.execute(sa.text(statement), values)

    def classify(self) -> str:
        """Classify the real scene and return the id of the run."""
        outcome = run_scene(build_definitions(self.settings), self.instance, self.item, {})
        if outcome.error:
            raise SystemExit(outcome.error)
        return outcome.run_id

    def analyze(self) -> None:
        """Update the statistics of the database, as autovacuum does after some time."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


@contextmanager
def world(folder: Path, keys: int, stac_url: str) -> Iterator[World]:
    """Create an instance with partition keys and the first run. PostgreSQL stops at the end of the context."""
    folder.chmod(0o755)  # PostgreSQL runs as another user
    server, names = postgresql(folder)
    os.environ.update({**names, "DAGSTER_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)})
    storage = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text(encoding="utf-8"))["storage"]
    quiet = {"telemetry": {"enabled": False}, "nux": {"enabled": False}}
    (folder / "home").mkdir()
    # No run leaves the queue, because the execution of runs is not measured.
    held = {"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage, **quiet, **held}))
    settings = Settings(store=folder / "store", watch=folder / "watch.yaml", stac_url=stac_url)
    os.environ |= {"LC_ASSETS_STORE": str(settings.store), "LC_ASSETS_STAC_URL": stac_url}
    os.environ["LC_ASSETS_WATCH"] = str(settings.watch)
    server.start()
    try:
        with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
            scene = _register(settings, instance, folder)
            # The real scene is the last key, as if it were the oldest scene.
            names_ = [name for name, _ in itertools.islice(scene_names(LAST), keys - 1)]
            for start in range(0, len(names_), _AT_ONCE):
                instance.add_dynamic_partitions(SCENES, names_[start : start + _AT_ONCE])
            engine = sa.create_engine(
                f"postgresql+psycopg2://{names['PGUSER']}:{names['PGPASSWORD']}@127.0.0.1:{names['PGPORT']}/postgres"
            )
            made = World(folder, settings, instance, [*names_, scene], scene, "", dict(os.environ), engine)
            made.run = made.classify()
            yield made
            engine.dispose()
    finally:
        server.stop()


def _register(settings: Settings, instance: dg.DagsterInstance, folder: Path) -> str:
    path = write_demo_scene(folder / "scene", shape=_SHAPE)
    scene = parse_scene(read_document(path), base=path)
    RegisteredItems(Store.at(settings.store), StacCatalogClient.of(settings)).register(scene)
    instance.add_dynamic_partitions(SCENES, [scene.id])
    return scene.id


def scene_names(last: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield (id, acquisition time) of endless scenes, 400 per day, backwards from `last`."""
    for day in itertools.count():
        sensed = (last - timedelta(days=day)).replace(hour=10, minute=36, second=29)
        made = sensed + timedelta(hours=5)
        for zone, first, second in itertools.product((32, 33), _LETTERS[:10], _LETTERS):
            name = f"S2{'AB'[day % 2]}_MSIL2A_{sensed:%Y%m%dT%H%M%S}_R008_T{zone}U{first}{second}_{made:%Y%m%dT%H%M%S}"
            yield name, sensed


def seconds_of(action: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the seconds of a call, and its result."""
    started = time.perf_counter()
    given = action(*arguments)
    return time.perf_counter() - started, given
