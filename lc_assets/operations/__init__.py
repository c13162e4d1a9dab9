"""Reads Dagster's records of many scenes and acts on them: runs, backfills, status, cleanup, discovery of new items.

This room knows the assets by their keys only. It imports no asset.
"""
