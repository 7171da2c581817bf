"""A run is its folder: what was asked for, its events, the queue, its process, the classifier it left. No torch."""
