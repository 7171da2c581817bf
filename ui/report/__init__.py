"""The Report tab: how good the current run is, what it confuses, and correcting that."""
