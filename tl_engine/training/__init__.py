"""The training: a strategy as phases, their inputs, the loop over epochs. Yields events, knows no caller."""
