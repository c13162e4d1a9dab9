"""From an item's files to twelve bands on one 10 m grid, and which of its pixels show the ground."""
