"""A lesson: what a teacher prepared, who is in it, what they did, their photos together, a board. No torch."""
