"""The store: paths in local folders and object stores, the names of all files, and atomic writes.

Modules here know nothing about Sentinel-2 or Dagster.
"""
