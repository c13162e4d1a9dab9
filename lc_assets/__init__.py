"""Sentinel-2 scenes in, land-cover maps out: a Dagster data-asset project.

Thirteen rooms on eight floors; a room imports only rooms below it (`lc_assets_tests/test_house.py` holds that):

    cluster
    cli
    defs
    training  products
    inference  operations  demo
    sentinel2
    store  remote  raster
    core

`lc_assets.definitions` is the code location. Only `operations`, `defs`, `cli` and `cluster` import Dagster.
"""

__version__ = "0.1.0"
