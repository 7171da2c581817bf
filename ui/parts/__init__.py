"""Parts that several tabs share: the grid of photos, refusals, words, the guard of files from a browser."""
