"""A lesson: what a teacher prepared, who is in it, what they did, the photos of all, a board. No Gradio, no torch."""
