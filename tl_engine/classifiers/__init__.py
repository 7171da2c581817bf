"""What was learnt: a head on a backbone, saved whole or not at all, and predicting with it."""
