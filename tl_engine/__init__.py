"""A transfer-learning engine: labelled photos in, an image classifier out. Importing it never imports torch."""
