"""Classify a stack with sliding windows: where they are, how they are evaluated strip by strip, and how they vote."""
