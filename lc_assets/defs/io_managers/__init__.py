"""IO managers: they write the value of each asset into the store and read it back.

Pixels are written block by block. The values that pass between assets contain paths and numbers, no pixels.
"""
