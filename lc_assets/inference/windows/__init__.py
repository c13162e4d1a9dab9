"""Classify a stack with sliding windows: their grid, their evaluation strip by strip, and their votes."""
