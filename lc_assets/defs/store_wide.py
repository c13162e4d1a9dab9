"""Code location of the whole store: the collection of all items, the model's evaluation, the agreement with reference
maps. `lc_assets.defs.build` builds it."""

from lc_assets.defs.build import build_common_definitions

defs = build_common_definitions()
