"""Classify a stack by positions: each answers for the cell around it, and pixels interpolate between cells."""
