"""All runs at a glance: which there are, a row for each, in what they differ, what was deleted a moment ago."""
