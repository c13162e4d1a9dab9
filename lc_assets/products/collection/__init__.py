"""The index of all items of the store: one stac-geoparquet file. One writer at a time updates it.

extras    imports rustac, DuckDB and shapely, or raises an error that names the extra to install
rows      converts the STAC document of an item to its row
sanitize  checks the values of a row
parquet   writes, merges and queries the file with DuckDB; rustac converts between items and rows
update    adds new items, or rebuilds the index from the store; two writers at the same time lose nothing
search    finds scenes by area, time, cloud cover and classes
verify    checks the written collection
export    writes all items with absolute URLs, for another catalog
scratch   a local folder for copies of the index
"""
