"""Tests of lc_assets. The name of a test states what the code guarantees."""
