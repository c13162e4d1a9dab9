"""Tests of lc_assets; their names are claims."""
