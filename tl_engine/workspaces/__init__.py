"""Who has what: a visitor, their data, corrections, runs and classifiers, and deleting them. No Gradio, no torch."""
