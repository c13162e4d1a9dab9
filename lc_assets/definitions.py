"""The code location: `lc-assets ui` and `dg dev` show it."""

from lc_assets.defs.build import build_definitions

defs = build_definitions()
