"""The code location of a cluster: the scenes' assets, and the watch."""

import dagster as dg

from lc_assets import definitions  # a module's second Definitions by name would be taken for another location's
from lc_assets.cluster.requeue_sensor import cluster_watch

defs = dg.Definitions.merge(definitions.defs, dg.Definitions(sensors=[cluster_watch]))
