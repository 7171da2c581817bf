"""How good a classifier is, how sure, and what would help: figures with their intervals, and the words for them."""
