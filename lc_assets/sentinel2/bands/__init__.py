"""Fetch a scene's band files, stack them on one 10 m grid, and find the pixels that show the ground."""
