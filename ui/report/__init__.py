"""The Report tab: the numbers of the current run."""
