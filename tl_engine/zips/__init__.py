"""Zips from strangers: their names, the rules they must keep, unpacking them whole or not at all. No torch."""
