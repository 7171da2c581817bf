"""Why a classifier answers as it does: which part of a picture speaks for a class."""
