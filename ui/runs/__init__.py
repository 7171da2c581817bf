"""The Runs tab: all runs a visitor may see, side by side."""
