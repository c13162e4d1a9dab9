"""The code location of the scenes: `dagster dev -m lc_assets.definitions`."""

from lc_assets.defs.build import build_definitions

defs = build_definitions()
