"""What everybody speaks: errors, settings, events, progress, files, names, words. Imports nothing of ours; no torch."""
