"""One picture: the one door that opens it, the table of formats, squares, looks, thumbnails. No labels, no torch."""
