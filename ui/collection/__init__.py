"""A data set of a visitor's own on the page: a card for each class, the camera, undo, its name and its end."""
