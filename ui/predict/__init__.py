"""The Predict tab: pictures in, probabilities of classes out."""
