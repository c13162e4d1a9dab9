"""Labelled chips: their type, their files, and their split into training and validation."""
