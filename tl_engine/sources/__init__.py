"""From what a person names (a sample, a zip, a folder, a set on the hub) to a folder of photos. No torch."""
