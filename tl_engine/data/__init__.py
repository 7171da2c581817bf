"""Labelled photos: a folder read as a data set, its manifest and hashes, and what was corrected in it. No torch."""
