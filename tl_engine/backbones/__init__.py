"""The pretrained networks by name: a row each, and where their weights are found. No torch until one is loaded."""
