"""The code location of a cluster: that of `lc_assets.definitions`, with the sensor `cluster_watch`."""

import dagster as dg

from lc_assets.cluster.requeue_sensor import cluster_watch
from lc_assets.defs.build import build_definitions

defs = dg.Definitions.merge(build_definitions(), dg.Definitions(sensors=[cluster_watch]))
