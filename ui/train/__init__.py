"""The Train tab: the form on the left, the run with its curves and log on the right."""
