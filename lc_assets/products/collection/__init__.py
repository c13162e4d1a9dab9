"""The index over all items of the store: one stac-geoparquet file, kept by one writer at a time.

tools    rustac and DuckDB, which an extra installs, or one error that says so
rows     an item's own document -> its row
table    the file: written, merged, asked, with DuckDB; items as rows by rustac
writer   appends what is new, or builds anew from the store; nothing is lost where two do so at once
finder   scenes by place, time, cloud and classes
"""
