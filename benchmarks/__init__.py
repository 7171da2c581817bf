"""How fast the program is, as ratios of things measured side by side in one run: `python -m benchmarks --help`."""
