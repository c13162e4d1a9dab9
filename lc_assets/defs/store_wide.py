"""Code location of what a scene's own chain does not need: the collection over all items, the model's evaluation, the
agreement with reference maps. Wired in `lc_assets.definitions`."""

from lc_assets.defs.build import build_common_definitions

defs = build_common_definitions()
